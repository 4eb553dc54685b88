import type { Clock } from './store.ts';

/** Counts one action of a client. When it is one too many, the seconds until the next is allowed; otherwise 0. */
export type RateLimit = (address: string) => number;

const WINDOW = 60_000;

/**
 * How many addresses are told apart within a minute. Beyond it newcomers are not limited: whoever commands so many is
 * not held by a limit per address, and a bound on memory matters more. It is why this is no library: the ones for Node
 * keep a record for every address, without a bound.
 */
const MAX_ADDRESSES = 100_000;

/** A limit of `perMinute` for each client address, in windows of one minute that begin with the first action. */
export function createRateLimit(perMinute: number, now: Clock): RateLimit {
  const counts = new Map<string, number>();
  let windowEnd = Number.NEGATIVE_INFINITY;
  return (address) => {
    if (now() >= windowEnd) {
      counts.clear();
      windowEnd = now() + WINDOW;
    }
    const count = counts.get(address) ?? 0;
    if (count >= perMinute) return Math.max(1, Math.ceil((windowEnd - now()) / 1000));
    if (count > 0 || counts.size < MAX_ADDRESSES) counts.set(address, count + 1);
    return 0;
  };
}
