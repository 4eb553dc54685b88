import { NotFound } from './errors.ts';
import { type Dialect, readFlags } from './flags.ts';
import type { Render } from './render.ts';
import type { DepositStore, PairingStatus } from './store.ts';

type Extension = Dialect | 'json';

/** Splits the path of a script URL, `/code`, `/code.sh`, `/code.ps1` or `/code.json`, into name and extension. */
export function parsePath(path: string): { name: string; extension: Extension | undefined } {
  const [, name = path.slice(1), extension] = /^\/(.*)\.(sh|ps1|json)$/.exec(path) ?? [];
  return { name, extension: extension as Extension | undefined };
}

/** The dialect a script URL answers in: that of its extension, else PowerShell for PowerShell on Windows, else sh. */
export function chooseDialect(extension: Extension | undefined, userAgent: string): Dialect {
  if (extension === 'sh' || extension === 'ps1') return extension;
  return /powershell/i.test(userAgent) && /windows/i.test(userAgent) ? 'ps1' : 'sh';
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
  if (!deposit) throw unknownCode();
  return render.installer(dialect, deposit, flags);
}

/** Whether a pairing has been picked up. Throws NotFound. */
export function readStatus(code: string, store: DepositStore): PairingStatus {
  const status = store.status(code);
  if (!status) throw unknownCode();
  return status;
}

/** Ends a pairing at once. Throws NotFound. */
export function revoke(code: string, store: DepositStore): void {
  if (!store.revoke(code)) throw unknownCode();
}

function unknownCode(): NotFound {
  return new NotFound(
    'This pairing code is unknown or has expired. Codes work for a few minutes only: upload the credentials again to get a new one.',
  );
}
