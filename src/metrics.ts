import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { RefusalReason } from './errors.ts';
import type { Dialect } from './flags.ts';
import type { AnsweredRequest } from './log.ts';

/** What the service counts. No label ever holds a code, a credential or an address. */
export interface Metrics {
  deposit(): void;
  retrieval(dialect: Dialect): void;
  /** A look-up of a code that is unknown or has expired. */
  miss(): void;
  refusal(reason: RefusalReason): void;
  answer(request: AnsweredRequest): void;
  /** The Prometheus text format and its media type. */
  expose(): Promise<{ contentType: string; text: string }>;
}

/** Seconds: from a tenth of a millisecond, since most answers take less than one. */
const BUCKETS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5];

/** Each label value is kept for good, so what nobody needs shares one. */
const METHODS = new Set(['GET', 'HEAD', 'POST', 'DELETE', 'OPTIONS']);

/** @param liveDeposits how many are kept at the moment */
export function createMetrics(liveDeposits: () => number): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const deposits = new Counter({ name: 'pairing_deposits_total', help: 'Deposits taken', registers });
  const retrievals = new Counter({
    name: 'pairing_retrievals_total',
    help: 'Installers handed out with credentials',
    labelNames: ['dialect'],
    registers,
  });
  const misses = new Counter({
    name: 'pairing_misses_total',
    help: 'Look-ups of unknown or expired pairing codes',
    registers,
  });
  const refusals = new Counter({
    name: 'pairing_refusals_total',
    help: 'Requests answered with a reason instead of what was asked for, look-ups aside',
    labelNames: ['reason'],
    registers,
  });
  new Gauge({
    name: 'pairing_live_deposits',
    help: 'Deposits kept at the moment',
    registers,
    collect() {
      this.set(liveDeposits());
    },
  });
  const duration = new Histogram({
    name: 'pairing_request_duration_seconds',
    help: 'Time from a request to its answer',
    labelNames: ['method', 'route', 'status'],
    buckets: BUCKETS,
    registers,
  });
  return {
    deposit: () => deposits.inc(),
    retrieval: (dialect) => retrievals.inc({ dialect }),
    miss: () => misses.inc(),
    refusal: (reason) => refusals.inc({ reason }),
    answer: ({ method, route, status, seconds }) =>
      duration.observe({ method: METHODS.has(method) ? method : 'other', route, status }, seconds),
    expose: async () => ({ contentType: registry.contentType, text: await registry.metrics() }),
  };
}
