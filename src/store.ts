import { LRUCache } from 'lru-cache';
import { createCode } from './code.ts';
import type { Deposit } from './deposit.ts';
import { StoreFull } from './errors.ts';

/** Whether a pairing has been picked up. */
interface PairingStatus {
  expires: Date;
  /** How often the installer was handed out. */
  retrievals: number;
  /** After how many retrievals the pairing ends, where the deposit says so. */
  uses?: number;
}

/** Holds each deposit under its pairing code until it expires. */
export interface DepositStore {
  /** Keeps a deposit under a new pairing code. Throws StoreFull; a live deposit is never given up for a new one. */
  put(deposit: Deposit): { code: string; expires: Date };
  /** The deposit, without counting a retrieval; undefined when the code is unknown, expired or used up. */
  peek(code: string): Deposit | undefined;
  /** The deposit, counting a retrieval. The last of its uses forgets the credentials at once. */
  retrieve(code: string): Deposit | undefined;
  /** Answers until the deposit expires, used up or not. */
  status(code: string): PairingStatus | undefined;
  /** Forgets a deposit; false when there is none. */
  revoke(code: string): boolean;
  /** How many deposits are kept. */
  size(): number;
}

interface Entry {
  /** The credentials; undefined once they are used up. */
  packed: string | undefined;
  /** Milliseconds since 1970. */
  expires: number;
  retrievals: number;
  uses: number | undefined;
}

/** Milliseconds since 1970, but never set back: a corrected system clock must not prolong a deposit. */
export type Clock = () => number;

export const steadyClock: Clock = () => performance.timeOrigin + performance.now();

/** An expired deposit is unreachable at once and out of memory this many milliseconds later at most. */
const SWEEP_INTERVAL = 1000;

/**
 * The memory a deposit takes at most, in bytes: a connect URL of 2,048 characters, client id and password of 100
 * characters of four bytes each, the rest of the record and its places in the tables.
 */
export const MAX_BYTES_PER_DEPOSIT = 3500;

/** A store in memory alone. `ttl` in seconds. */
export function createMemoryStore(ttl: number, maxDeposits: number, now: Clock = steadyClock): DepositStore {
  const entries = new LRUCache<string, Entry>({
    max: maxDeposits,
    ttl: ttl * 1000,
    ttlResolution: 0,
    // Iteration shows the sweep what has expired; find does not.
    allowStale: true,
    perf: { now },
  });
  let sweepIsDue = false;

  // peek leaves the order alone, so that the oldest deposit is always the last and the first to expire.
  const find = (code: string) => entries.peek(code, { allowStale: false });

  // Without it an expired password stays in memory until someone asks for its code. One timer for all: one each, as
  // ttlAutopurge has it, takes as much memory as the deposits.
  function sweep(): void {
    sweepIsDue = false;
    const remaining = dropExpired();
    if (remaining !== undefined) sweepIn(remaining);
  }

  function sweepIn(milliseconds: number): void {
    if (sweepIsDue) return;
    sweepIsDue = true;
    setTimeout(sweep, Math.max(SWEEP_INTERVAL, milliseconds + 1)).unref();
  }

  /** Milliseconds until the oldest deposit left expires; undefined when none is left. */
  function dropExpired(): number | undefined {
    for (const code of entries.rkeys()) {
      const remaining = entries.getRemainingTTL(code);
      if (remaining >= 0) return remaining;
      entries.delete(code);
    }
    return undefined;
  }

  function refuseWhenFull(): void {
    if (entries.size < maxDeposits) return;
    const remaining = dropExpired() ?? 0;
    if (entries.size >= maxDeposits) throw new StoreFull(Math.max(1, Math.ceil(remaining / 1000)));
  }

  return {
    put({ uses, ...deposit }) {
      refuseWhenFull();
      const code = createCode();
      const expires = Math.floor(now()) + ttl * 1000;
      entries.set(code, { packed: pack(deposit), expires, retrievals: 0, uses });
      sweepIn(ttl * 1000);
      return { code, expires: new Date(expires) };
    },
    peek(code) {
      const packed = find(code)?.packed;
      return packed === undefined ? undefined : unpack(packed);
    },
    retrieve(code) {
      const entry = find(code);
      if (entry?.packed === undefined) return undefined;
      const deposit = unpack(entry.packed);
      entry.retrievals += 1;
      if (entry.retrievals === entry.uses) entry.packed = undefined;
      return deposit;
    },
    status(code) {
      const entry = find(code);
      if (!entry) return undefined;
      const { expires, retrievals, uses } = entry;
      return { expires: new Date(expires), retrievals, ...(uses !== undefined && { uses }) };
    },
    revoke: (code) => find(code) !== undefined && entries.delete(code),
    size: () => entries.size,
  };
}

/** No field can hold it: control characters are refused. */
const SEPARATOR = '\0';

/** A deposit as one flat string with a byte for each byte of UTF-8: a fraction of the memory of an object of strings. */
function pack({ connectUrl, fingerprint, clientId, password }: Deposit): string {
  return Buffer.from([connectUrl, fingerprint, clientId, password].join(SEPARATOR)).toString('latin1');
}

function unpack(packed: string): Deposit {
  const [connectUrl = '', fingerprint = '', clientId = '', password = ''] = Buffer.from(packed, 'latin1')
    .toString()
    .split(SEPARATOR);
  return { connectUrl, fingerprint, clientId, password };
}
