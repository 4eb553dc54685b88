import { createHash, timingSafeEqual } from 'node:crypto';
import { type Context, Hono } from 'hono';
import { cors } from 'hono/cors';
import { routePath } from 'hono/route';
import { clientAddress } from './client-address.ts';
import type { Config } from './config.ts';
import { pair, readDeposit } from './deposit.ts';
import {
  InsecureTransport,
  InternalError,
  MethodNotAllowed,
  MovedToHttps,
  NotFound,
  problemDetail,
  Refusal,
  Stopping,
  TooManyRequests,
  Unauthorized,
  UnknownCode,
} from './errors.ts';
import { type Dialect, readFlags } from './flags.ts';
import { createRateLimit } from './limits.ts';
import type { AnsweredRequest } from './log.ts';
import type { Metrics } from './metrics.ts';
import { chooseDialect, negotiate } from './negotiate.ts';
import { openApiDocument } from './openapi.ts';
import { ASSETS, CONTENT_SECURITY_POLICY, type Pages } from './page.ts';
import type { Render } from './render.ts';
import { assertAvailable, parsePath, readStatus, retrieve, revoke } from './retrieve.ts';
import type { Clock, DepositStore } from './store.ts';

export interface AppDeps {
  store: DepositStore;
  render: Render;
  pages: Pages;
  metrics: Metrics;
  config: Pick<
    Config,
    | 'publicUrl'
    | 'connectHosts'
    | 'corsOrigins'
    | 'trustProxy'
    | 'depositsPerMinute'
    | 'missesPerMinute'
    | 'metricsToken'
  >;
  now: Clock;
  /** The address a connection comes from. */
  remoteAddress: (c: Context) => string | undefined;
  /** False once the service is stopping. */
  isReady: () => boolean;
  /** Told of each request once it is answered. */
  onAnswer: (request: AnsweredRequest) => void;
  /** Told of each error nobody expected. Its message may quote a credential. */
  onUnexpectedError: (error: Error) => void;
}

const SECURITY_HEADERS = {
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
};

/** The whole HTTP surface. Pure: everything it touches is in `deps`. */
export function createApp(deps: AppDeps): Hono<Env> {
  const { store, render, pages, metrics, config, now, remoteAddress, isReady, onAnswer, onUnexpectedError } = deps;
  const { publicUrl, connectHosts } = config;
  const limitDeposits = createRateLimit(config.depositsPerMinute, now);
  const limitMisses = createRateLimit(config.missesPerMinute, now);
  const allowOrigins = cors({ origin: config.corsOrigins, allowMethods: ['POST', 'GET', 'OPTIONS'] });
  const app = new Hono<Env>();

  app.use(async (c, next) => {
    const started = performance.now();
    const id = crypto.randomUUID();
    c.set('requestId', id);
    await next();
    if (!c.get('isComplete')) {
      for (const [name, value] of Object.entries(headersFor(c))) c.res.headers.set(name, value);
    }
    const { method } = c.req;
    const seconds = (performance.now() - started) / 1000;
    const answered = { id, method, route: routePath(c), status: c.res.status, seconds };
    metrics.answer(answered);
    onAnswer(answered);
  });
  app.use((c, next) => (c.req.header('Origin') === undefined ? next() : allowOrigins(c, next)));

  app.get('/healthz', (c) => c.text('ok\n'));
  app.get('/readyz', (c) => {
    if (!isReady()) throw new Stopping();
    return c.text('ok\n');
  });
  app.get('/metrics', async (c) => {
    if (!isAuthorized(c, config.metricsToken)) throw new Unauthorized();
    const { contentType, text } = await metrics.expose();
    return c.body(text, 200, { 'Content-Type': contentType });
  });
  for (const path of ['/healthz', '/readyz', '/metrics']) {
    app.all(path, () => refuseMethod('GET', 'HEAD', 'OPTIONS'));
  }

  app.use((c, next) => {
    refuseInsecure(c, publicUrl);
    return next();
  });

  app.get('/', (c) => (isForPeople(c) ? page(c, pages.form()) : c.text(usage(publicUrl))));
  app.post('/', async (c) => {
    const wait = limitDeposits(addressOf(c));
    if (wait > 0) throw new TooManyRequests(wait);
    const pairing = pair(await readDeposit(c.req.raw, connectHosts), store, publicUrl);
    metrics.deposit();
    // To the page of the pairing: loading that again deposits nothing.
    return isForPeople(c) ? c.redirect(new URL(pairing.url).pathname, 303) : c.json(pairing);
  });
  app.all('/', () => refuseMethod('GET', 'HEAD', 'POST', 'OPTIONS'));

  const description = openApiDocument(publicUrl);
  app.get('/openapi.json', (c) => c.json(description));
  app.all('/openapi.json', () => refuseMethod('GET', 'HEAD', 'OPTIONS'));

  for (const [path, { type, text }] of Object.entries(ASSETS)) {
    app.get(path, (c) => c.body(text, 200, { 'Content-Type': type }));
    app.all(path, () => refuseMethod('GET', 'HEAD', 'OPTIONS'));
  }

  for (const path of ['/uninstall', '/uninstall.sh', '/uninstall.ps1']) {
    app.get(path, (c) => {
      const dialect = dialectOf(c);
      const flags = readFlags(queryOf(c), dialect);
      return script(c, dialect, 'rport-uninstaller', render.installer(dialect, undefined, { ...flags, u: true }));
    });
    app.all(path, () => refuseMethod('GET', 'HEAD', 'OPTIONS'));
  }

  app.get('/:name', (c) => {
    const { name: code, extension } = parsePath(c.req.path);
    if (extension === 'json') return c.json(readStatus(code, store));
    const dialect = answerFor(c);
    if (dialect === 'page') {
      assertAvailable(code, store);
      const onWindows = /windows nt/i.test(c.req.header('User-Agent') ?? '');
      return page(c, pages.pairing(code, readStatus(code, store), readFlags(queryOf(c), 'sh'), onWindows));
    }
    const counted = c.req.method !== 'HEAD';
    const installer = retrieve({ code, dialect, query: queryOf(c), counted }, store, render);
    if (counted) metrics.retrieval(dialect);
    return script(c, dialect, 'rport-installer', installer);
  });
  app.delete('/:code', (c) => {
    revoke(c.req.param('code'), store);
    return c.body(null, 204);
  });
  app.all('/:name', () => refuseMethod('GET', 'HEAD', 'DELETE', 'OPTIONS'));

  app.all('*', () => {
    throw new NotFound('There is nothing at this address.');
  });

  app.onError((error, c) => {
    const refusal = toRefusal(error, c);
    if (!(refusal instanceof UnknownCode)) metrics.refusal(refusal.reason);
    return refuse(c, refusal, render, pages);
  });

  /** Only misses are limited, and only with an answer: behind a shared address, known codes go on working. */
  function toRefusal(error: Error, c: Context<Env>): Refusal {
    if (error instanceof UnknownCode) {
      metrics.miss();
      const wait = limitMisses(addressOf(c));
      return wait > 0 ? new TooManyRequests(wait) : error;
    }
    if (error instanceof Refusal) return error;
    onUnexpectedError(error);
    return new InternalError();
  }

  function addressOf(c: Context<Env>): string {
    return clientAddress(remoteAddress(c) ?? '', c.req.header('X-Forwarded-For') ?? '', config.trustProxy);
  }

  return app;
}

interface Env {
  Variables: {
    requestId: string;
    /** The answer has all of its headers. Adding them to one that is made costs more than making it. */
    isComplete?: true;
  };
}

function headersFor(c: Context<Env>): Record<string, string> {
  return { ...SECURITY_HEADERS, 'X-Request-Id': c.get('requestId') };
}

function isAuthorized(c: Context<Env>, token: string | undefined): boolean {
  if (token === undefined) return true;
  const hash = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(hash(c.req.header('Authorization') ?? ''), hash(`Bearer ${token}`));
}

/** For the case that a proxy says the client came by plain HTTP, where the service is meant to be reached by HTTPS. */
function refuseInsecure(c: Context<Env>, publicUrl: string): void {
  const [protocol = ''] = (c.req.header('X-Forwarded-Proto') ?? '').split(',');
  if (protocol.trim().toLowerCase() !== 'http' || !publicUrl.startsWith('https:')) return;
  if (c.req.method === 'GET' || c.req.method === 'HEAD') {
    const { pathname, search } = new URL(c.req.url);
    throw new MovedToHttps(`${publicUrl}${pathname}${search}`);
  }
  if (c.req.method === 'OPTIONS') return;
  throw new InsecureTransport(
    'This came over plain HTTP, and nothing was stored. Use the https address; credentials that were sent may have been read on the way.',
  );
}

/** A refused script URL is a script in its dialect: piped into a shell, the answer must not look like success. */
function refuse(c: Context<Env>, refusal: Refusal, render: Render, pages: Pages): Response {
  if (!isForPeople(c) && isScriptUrl(c)) {
    const dialect = dialectOf(c);
    return script(c, dialect, 'rport-installer', render.error(dialect, refusal.message), refusal);
  }
  for (const [name, value] of Object.entries(refusal.headers)) c.header(name, value);
  c.status(refusal.status);
  if (isForPeople(c)) return page(c, pages.message(problemDetail(refusal)));
  c.header('Content-Type', 'application/problem+json');
  return c.body(JSON.stringify(problemDetail(refusal)));
}

/** Whether a page is the answer: to a browser that looks at something or sends the form. */
function isForPeople(c: Context<Env>): boolean {
  return ['GET', 'HEAD', 'POST'].includes(c.req.method) && answerFor(c) === 'page';
}

function answerFor(c: Context<Env>): ReturnType<typeof negotiate> {
  const { extension } = parsePath(c.req.path);
  return negotiate(extension, c.req.header('User-Agent') ?? '', c.req.header('Accept') ?? '');
}

function isScriptUrl(c: Context<Env>): boolean {
  const wantsJson = parsePath(c.req.path).extension === 'json' || c.req.header('Accept') === 'application/json';
  return (c.req.method === 'GET' || c.req.method === 'HEAD') && !wantsJson;
}

function dialectOf(c: Context<Env>): Dialect {
  return chooseDialect(parsePath(c.req.path).extension, c.req.header('User-Agent') ?? '');
}

function queryOf(c: Context<Env>): URLSearchParams {
  return new URL(c.req.url).searchParams;
}

function page(c: Context<Env>, html: string): Response {
  c.header('Content-Security-Policy', CONTENT_SECURITY_POLICY);
  return c.html(html);
}

function script(c: Context<Env>, dialect: Dialect, name: string, text: string, refusal?: Refusal): Response {
  c.set('isComplete', true);
  return new Response(Buffer.from(text, 'latin1'), {
    status: refusal?.status ?? 200,
    headers: {
      'Content-Type': 'text/plain; charset=utf-8',
      'Content-Disposition': `inline; filename="${name}.${dialect}"`,
      ...headersFor(c),
      ...refusal?.headers,
    },
  });
}

function refuseMethod(...allowed: string[]): never {
  throw new MethodNotAllowed(allowed);
}

/** What a visitor without a pairing code gets. */
function usage(publicUrl: string): string {
  return `This service pairs machines with an RPort server.

Upload the credentials of a client; they are kept in memory for a few minutes:

  curl -sS ${publicUrl} \\
    -F connect_url=https://rport.example.com:8080 \\
    -F fingerprint=<fingerprint> \\
    -F client_id=<client id> \\
    -F 'password=<-'

The answer holds one command for Linux and one for Windows. Run it on the machine to connect.
`;
}
