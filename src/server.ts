#!/usr/bin/env node
import type { Server } from 'node:http';
import { serve } from '@hono/node-server';
import { createApp } from './app.ts';
import { answerArguments, UsageError } from './arguments.ts';
import { ConfigError, readConfig } from './config.ts';
import { createPages } from './page.ts';
import { createRender } from './render.ts';
import { createMemoryStore } from './store.ts';

function start(): void {
  const config = readConfig(process.env);
  const app = createApp({
    store: createMemoryStore(config.depositTtl, config.maxDeposits),
    render: createRender(config),
    pages: createPages(config),
    publicUrl: config.publicUrl,
    connectHosts: config.connectHosts,
    corsOrigins: config.corsOrigins,
    onUnexpectedError: logUnexpectedError,
  });
  const server = serve({ fetch: app.fetch, hostname: config.host, port: config.port }, ({ address, port }) => {
    console.log(`listening on ${address} port ${port}; pairing URLs begin with ${config.publicUrl}/`);
  }) as Server;
  server.on('error', (error) => {
    console.error(`cannot listen on ${config.host} port ${config.port}: ${error.message}`);
    process.exit(1);
  });
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop(server));
}

/** Lets running answers finish. Idle connections are closed, so the process ends by itself. */
function stop(server: Server): void {
  console.log('stopping');
  server.close();
  server.closeIdleConnections();
}

/** Without its message, which may quote a credential: the stack tells where it happened. */
function logUnexpectedError(error: Error): void {
  const frames = (error.stack ?? '').split('\n').filter((line) => line.startsWith('    at '));
  console.error([`unexpected ${error.name}`, ...frames].join('\n'));
}

try {
  const answer = answerArguments(process.argv.slice(2));
  if (answer === undefined) start();
  else console.log(answer);
} catch (error) {
  if (!(error instanceof ConfigError || error instanceof UsageError)) throw error;
  console.error(error.message);
  process.exit(error instanceof UsageError ? 2 : 1);
}
