import { z } from 'zod';
import { UnknownCode } from './errors.ts';
import { type Dialect, readFlags } from './flags.ts';
import type { Extension } from './negotiate.ts';
import type { Render } from './render.ts';
import type { DepositStore } from './store.ts';

/** Splits the path of a script URL, `/code`, `/code.sh`, `/code.ps1` or `/code.json`, into name and extension. */
export function parsePath(path: string): { name: string; extension: Extension | undefined } {
  const [, name = path.slice(1), extension] = /^\/(.*)\.(sh|ps1|json)$/.exec(path) ?? [];
  return { name, extension: extension as Extension | undefined };
}

/** What an installer is rendered from: the code, the flags to bake in, and whether this counts as a retrieval. */
export interface Retrieval {
  code: string;
  dialect: Dialect;
  query: URLSearchParams;
  counted: boolean;
}

/** Renders the installer for a pairing code. Throws BadRequest for the query, NotFound for the code. */
export function retrieve({ code, dialect, query, counted }: Retrieval, store: DepositStore, render: Render): string {
  const flags = readFlags(query, dialect);
  const deposit = counted ? store.retrieve(code) : store.peek(code);
  if (!deposit) throw unavailable(code, store);
  return render.installer(dialect, deposit, flags);
}

/** Throws NotFound unless the pairing can still be used. Counts nothing. */
export function assertAvailable(code: string, store: DepositStore): void {
  if (!store.peek(code)) throw unavailable(code, store);
}

/** How a pairing fares. */
export const statusSchema = z.object({
  expires: z.iso.datetime().describe('UTC'),
  retrievals: z.int().min(0).describe('how often the installer was handed out'),
  uses: z.int().optional().describe('after how many retrievals the pairing ends, where the deposit says so'),
});
export type Status = z.infer<typeof statusSchema>;

/** Whether a pairing has been picked up. Throws NotFound. */
export function readStatus(code: string, store: DepositStore): Status {
  const status = store.status(code);
  if (!status) throw new UnknownCode();
  return { ...status, expires: status.expires.toISOString() };
}

/** Ends a pairing at once. Throws NotFound. */
export function revoke(code: string, store: DepositStore): void {
  if (!store.revoke(code)) throw new UnknownCode();
}

function unavailable(code: string, store: DepositStore): UnknownCode {
  if (!store.status(code)) return new UnknownCode();
  return new UnknownCode(
    'This pairing code has been used as often as it may be: upload the credentials again to get a new one.',
  );
}
