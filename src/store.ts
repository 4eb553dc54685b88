import { LRUCache } from 'lru-cache';
import { createCode } from './code.ts';
import type { Deposit } from './deposit.ts';
import { StoreFull } from './errors.ts';

/** Whether a pairing has been picked up. */
export interface PairingStatus {
  expires: Date;
  /** How often the installer was handed out. */
  retrievals: number;
}

/** Holds each deposit under its pairing code until it expires. */
export interface DepositStore {
  /** Keeps a deposit under a new pairing code. Throws StoreFull; a live deposit is never given up for a new one. */
  put(deposit: Deposit): { code: string; expires: Date };
  /** The deposit, without counting a retrieval; undefined when the code is unknown or expired. */
  peek(code: string): Deposit | undefined;
  /** The deposit, counting a retrieval. */
  retrieve(code: string): Deposit | undefined;
  status(code: string): PairingStatus | undefined;
  /** Forgets a deposit; false when there is none. */
  revoke(code: string): boolean;
}

interface Entry extends PairingStatus {
  deposit: Deposit;
}

/** Milliseconds since 1970, but never set back: a corrected system clock must not prolong a deposit. */
export type Clock = () => number;

const steadyClock: Clock = () => performance.timeOrigin + performance.now();

/** A store in memory alone. `ttl` in seconds. */
export function createMemoryStore(ttl: number, maxDeposits: number, now: Clock = steadyClock): DepositStore {
  const entries = new LRUCache<string, Entry>({
    max: maxDeposits,
    ttl: ttl * 1000,
    // Without it an expired password stays in memory until someone asks for its code.
    ttlAutopurge: true,
    ttlResolution: 0,
    perf: { now },
  });

  // peek leaves the order alone, so that the oldest deposit is always the last and the first to expire.
  const find = (code: string) => entries.peek(code);

  function refuseWhenFull(): void {
    if (entries.size < maxDeposits) return;
    entries.purgeStale();
    if (entries.size < maxDeposits) return;
    const oldest = entries.rkeys().next().value;
    const remaining = oldest === undefined ? 0 : entries.getRemainingTTL(oldest);
    throw new StoreFull(Math.max(1, Math.ceil(remaining / 1000)));
  }

  return {
    put(deposit) {
      refuseWhenFull();
      const code = createCode();
      const expires = new Date(now() + ttl * 1000);
      entries.set(code, { deposit, expires, retrievals: 0 });
      return { code, expires };
    },
    peek: (code) => find(code)?.deposit,
    retrieve(code) {
      const entry = find(code);
      if (entry) entry.retrievals += 1;
      return entry?.deposit;
    },
    status(code) {
      const entry = find(code);
      return entry && { expires: entry.expires, retrievals: entry.retrievals };
    },
    revoke: (code) => find(code) !== undefined && entries.delete(code),
  };
}
