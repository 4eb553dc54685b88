import { createAdaptorServer } from '@hono/node-server';
import { createApp } from '../../src/app.ts';
import { readConfig } from '../../src/config.ts';
import type { AnsweredRequest } from '../../src/log.ts';
import { createMetrics } from '../../src/metrics.ts';
import { createPages } from '../../src/page.ts';
import { createRender } from '../../src/render.ts';
import { createMemoryStore } from '../../src/store.ts';

export const DEPOSIT = {
  connect_url: 'https://rport.example.com:8080/',
  fingerprint: '2a:c8:71:09:80:ba:7c:60:05:e5:2c:99:6d:75:56:24',
  client_id: 'client-1',
  password: 'correct horse',
};

const START = Date.UTC(2026, 0, 1);

/** The whole service on a real socket as soon as supertest asks, with a clock that only moves when told. */
export function startApp({ maxDeposits = 100, env = {} }: { maxDeposits?: number; env?: Record<string, string> } = {}) {
  let now = START;
  const errors: unknown[] = [];
  const answers: AnsweredRequest[] = [];
  const config = readConfig({
    PUBLIC_URL: 'https://pairing.example.com',
    MAX_DEPOSITS: String(maxDeposits),
    ...env,
  });
  const store = createMemoryStore(config.depositTtl, config.maxDeposits, () => now);
  const render = createRender(config);
  let ready = true;
  const app = createApp({
    store,
    render,
    pages: createPages(config),
    metrics: createMetrics(store.size),
    config,
    now: () => now,
    remoteAddress: (c) => c.env.incoming.socket.remoteAddress,
    isReady: () => ready,
    onAnswer: (request) => answers.push(request),
    onUnexpectedError: (error) => errors.push(error),
  });
  return {
    server: createAdaptorServer({ fetch: app.fetch }),
    errors,
    answers,
    store,
    render,
    stop() {
      ready = false;
    },
    start: START,
    /** Lets `seconds` pass. */
    pass(seconds: number) {
      now += seconds * 1000;
    },
  };
}
