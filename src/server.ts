#!/usr/bin/env node
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Server } from 'node:http';
import { createServer as createSecureServer, Server as SecureServer } from 'node:https';
import { createSecureContext } from 'node:tls';
import { getHeapStatistics } from 'node:v8';
import { createAdaptorServer } from '@hono/node-server';
import { getConnInfo } from '@hono/node-server/conninfo';
import { createApp } from './app.ts';
import { answerArguments, UsageError } from './arguments.ts';
import { type Config, ConfigError, readConfig } from './config.ts';
import { createLog } from './log.ts';
import { createMetrics } from './metrics.ts';
import { createPages } from './page.ts';
import { createRender } from './render.ts';
import { createMemoryStore, MAX_BYTES_PER_DEPOSIT, steadyClock } from './store.ts';

/** Milliseconds. Whoever needs longer for a request of at most 8 KiB is broken or hostile. */
const TIMEOUTS = {
  handshakeTimeout: 10_000,
  headersTimeout: 10_000,
  requestTimeout: 15_000,
  keepAliveTimeout: 5_000,
  connectionsCheckingInterval: 1_000,
};
/** Also ends clients that do not read their answer. Milliseconds. */
const SOCKET_TIMEOUT = 20_000;
const MAX_HEADER_BYTES = 8 * 1024;
/** A supervisor kills what does not end within its own limit, and some give little. Milliseconds. */
const STOP_DEADLINE = 4_000;
/** Memory for everything but deposits. Bytes. */
const BASE_MEMORY = 48 * 1024 * 1024;
/** The part of V8's heap limit that --max-old-space-size does not set, and in which no deposit stays. Bytes. */
const YOUNG_GENERATION = 96 * 1024 * 1024;

/** A host that is never on a network. */
const LOOPBACK = /^(localhost|.*\.localhost|127\.\d+\.\d+\.\d+|::1|\[::1\])$/;

type WebServer = Server | SecureServer;

const log = createLog();

function start(): void {
  const config = readConfig(process.env);
  refuseTooManyDeposits(config.maxDeposits);
  forbidCoreDumps();
  const credentials = readTlsFiles(config);
  let ready = true;
  const store = createMemoryStore(config.depositTtl, config.maxDeposits);
  const app = createApp({
    store,
    render: createRender(config),
    pages: createPages(config),
    metrics: createMetrics(store.size),
    config,
    now: steadyClock,
    remoteAddress: (c) => getConnInfo(c).remote.address,
    isReady: () => ready,
    onAnswer: log.request,
    onUnexpectedError: log.unexpected,
  });
  const server = createAdaptorServer({
    fetch: app.fetch,
    ...(credentials ? { createServer: createSecureServer } : {}),
    serverOptions: { ...TIMEOUTS, ...credentials, maxHeaderSize: MAX_HEADER_BYTES },
  }) as WebServer;
  server.setTimeout(SOCKET_TIMEOUT);
  server.on('error', (error) => fail(`cannot listen on ${config.host} port ${config.port}: ${error.message}`));
  server.listen(config.port, config.host, () => {
    log.info(`listening on ${config.host} port ${config.port}; pairing URLs begin with ${config.publicUrl}/`);
    const { protocol, hostname } = new URL(config.publicUrl);
    if (protocol !== 'https:' && !LOOPBACK.test(hostname)) {
      log.warn('PUBLIC_URL is not HTTPS: whoever is on the way can read the credentials');
    }
    if (LOOPBACK.test(hostname) && !LOOPBACK.test(config.host)) {
      log.warn('PUBLIC_URL is the address of this machine alone: the commands will not work on any other');
    }
  });

  // On a terminal, and with nothing to renew, the signal keeps its meaning: the terminal is gone.
  if (server instanceof SecureServer || !process.stdout.isTTY) {
    process.on('SIGHUP', () => renewCertificate(server, config));
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (!ready) process.exit(1);
      ready = false;
      stop(server);
    });
  }
}

/** Lets running answers finish, closes idle connections at once and hanging ones at the deadline. */
function stop(server: WebServer): void {
  log.info('stopping');
  server.close(() => end(0));
  setTimeout(() => {
    server.closeAllConnections();
    // Without waiting for connections that are in their TLS handshake, which nothing closes.
    setImmediate(() => end(0));
  }, STOP_DEADLINE);
}

/** The TLS files as they are now; undefined for plain HTTP. Throws ConfigError. */
function readTlsFiles({ tlsCert, tlsKey }: Config): { cert: string; key: string } | undefined {
  if (tlsCert === undefined || tlsKey === undefined) return undefined;
  const files = { cert: readConfigured('TLS_CERT', tlsCert), key: readConfigured('TLS_KEY', tlsKey) };
  try {
    createSecureContext(files);
  } catch (error) {
    throw new ConfigError(`TLS_CERT: does not fit TLS_KEY, or one is not PEM (${reasonOf(error)})`);
  }
  return files;
}

function readConfigured(variable: string, path: string): string {
  let content: string;
  try {
    content = readFileSync(path, 'utf8');
  } catch (error) {
    throw new ConfigError(`${variable}: cannot read the file (${reasonOf(error)})`);
  }
  // As while it is being renewed. TLS takes an empty file for none, and would go on without.
  if (content === '') throw new ConfigError(`${variable}: the file is empty`);
  return content;
}

function reasonOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown reason';
}

/** Running connections keep the certificate they began with. With a bad file the old certificate stays. */
function renewCertificate(server: WebServer, config: Config): void {
  if (!(server instanceof SecureServer)) {
    log.info('SIGHUP: there is no certificate to read again');
    return;
  }
  try {
    server.setSecureContext(readTlsFiles(config) ?? {});
    log.info('the certificate was read again');
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    log.error(`the old certificate stays: ${error.message}`);
  }
}

/** Throws ConfigError when the deposits could take more memory than the process may have. */
function refuseTooManyDeposits(maxDeposits: number): void {
  const available = getHeapStatistics().heap_size_limit - YOUNG_GENERATION - BASE_MEMORY;
  const fitting = Math.floor(available / MAX_BYTES_PER_DEPOSIT);
  if (maxDeposits <= fitting) return;
  const needed = Math.ceil((maxDeposits * MAX_BYTES_PER_DEPOSIT + BASE_MEMORY) / 2 ** 20);
  throw new ConfigError(
    `MAX_DEPOSITS: ${maxDeposits} may take ${needed} MB of memory, more than this process has: set it to at most ${Math.max(0, fitting)}, or allow more memory with NODE_OPTIONS=--max-old-space-size=${needed}`,
  );
}

/** A core dump would write the deposits to disk. Node cannot set its own limits, so the system's tool does. */
function forbidCoreDumps(): void {
  if (process.platform !== 'linux') return;
  const { status } = spawnSync('prlimit', ['--pid', String(process.pid), '--core=0:0']);
  if (status !== 0)
    log.warn('core dumps cannot be turned off here (no prlimit): start the service under "ulimit -c 0"');
}

function fail(message: string): void {
  console.error(message);
  end(1);
}

function end(code: number): void {
  log.close(() => process.exit(code));
}

/** Node's own report would print the message, which may quote a credential. An unhandled rejection comes here as well. */
process.on('uncaughtException', (error) => {
  log.unexpected(error);
  end(1);
});
// Without a listener the signal opens the inspector, and with it the memory, to every local user.
process.on('SIGUSR1', () => log.info('SIGUSR1: the inspector is disabled'));

try {
  const answer = answerArguments(process.argv.slice(2));
  if (answer === undefined) start();
  else console.log(answer);
} catch (error) {
  if (!(error instanceof ConfigError || error instanceof UsageError)) throw error;
  console.error(error.message);
  process.exit(error instanceof UsageError ? 2 : 1);
}
