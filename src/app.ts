import { createHash, timingSafeEqual } from 'node:crypto';
import { type Context, Hono } from 'hono';
import { cors } from 'hono/cors';
import { clientAddress } from './client-address.ts';
import type { Config } from './config.ts';
import { pair, readDeposit } from './deposit.ts';
import {
  ForeignOrigin,
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
import { chooseDialect, negotiate, prefersHtml } from './negotiate.ts';
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
  onUnexpectedError: (error: unknown) => void;
}

const SECURITY_HEADERS = {
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
};

/** What a handler answers, before the headers that every answer has. */
interface Answer {
  status: number;
  headers: Record<string, string>;
  body: string | null;
}

type Handler = (c: Context) => Answer | Promise<Answer>;

/** The whole HTTP surface. Pure: everything it touches is in `deps`. */
export function createApp(deps: AppDeps): Hono {
  const { store, render, pages, metrics, config, now, remoteAddress, isReady, onAnswer, onUnexpectedError } = deps;
  const { publicUrl, connectHosts } = config;
  const limitDeposits = createRateLimit(config.depositsPerMinute, now);
  const limitMisses = createRateLimit(config.missesPerMinute, now);
  const allowOrigins = cors({ origin: config.corsOrigins, allowMethods: ['POST', 'GET', 'OPTIONS'] });
  const openApi = once(() => openApiDocument(publicUrl));
  const app = new Hono();

  serve('/healthz', { GET: () => text('ok\n') }, anyTransport);
  serve(
    '/readyz',
    {
      GET: () => {
        if (!isReady()) throw new Stopping();
        return text('ok\n');
      },
    },
    anyTransport,
  );
  serve(
    '/metrics',
    {
      GET: async (c) => {
        if (!isAuthorized(c, config.metricsToken)) throw new Unauthorized();
        const { contentType, text } = await metrics.expose();
        return ok(contentType, text);
      },
    },
    anyTransport,
  );
  serve('/', {
    GET: (c) => (isForPeople(c) ? page(pages.form()) : text(usage(publicUrl))),
    POST: async (c) => {
      // It would be lost at once.
      if (!isReady()) throw new Stopping();
      if (!mayDeposit(c)) throw new ForeignOrigin();
      const wait = limitDeposits(addressOf(c));
      if (wait > 0) throw new TooManyRequests(wait);
      const pairing = pair(await readDeposit(c.req.raw, connectHosts), store, publicUrl);
      metrics.deposit();
      // To the page of the pairing: loading that again deposits nothing.
      return isForPeople(c) ? seeOther(new URL(pairing.url).pathname) : json(pairing);
    },
  });
  serve('/openapi.json', { GET: () => json(openApi()) });
  for (const [path, { type, text }] of Object.entries(ASSETS)) serve(path, { GET: () => ok(type, text) });
  for (const path of ['/uninstall', '/uninstall.sh', '/uninstall.ps1']) {
    serve(path, {
      GET: (c) => {
        const dialect = dialectOf(c);
        const flags = readFlags(queryOf(c), dialect);
        return script(dialect, 'rport-uninstaller', render.installer(dialect, undefined, { ...flags, u: true }));
      },
    });
  }
  serve('/:name', {
    GET: (c) => {
      const { name: code, extension } = parsePath(c.req.path);
      if (extension === 'json') return json(readStatus(code, store));
      const dialect = answerFor(c);
      if (dialect === 'page') {
        assertAvailable(code, store);
        const onWindows = /windows nt/i.test(c.req.header('User-Agent') ?? '');
        return page(pages.pairing(code, readStatus(code, store), readFlags(queryOf(c), 'sh'), onWindows));
      }
      const counted = c.req.method !== 'HEAD';
      const installer = retrieve({ code, dialect, query: queryOf(c), counted }, store, render);
      if (counted) metrics.retrieval(dialect);
      return script(dialect, 'rport-installer', installer);
    },
    DELETE: (c) => {
      revoke(c.req.path.slice(1), store);
      return { status: 204, headers: {}, body: null };
    },
  });
  app.notFound((c) =>
    respond(c, '/*', () => {
      refuseInsecure(c, publicUrl);
      throw new NotFound('There is nothing at this address.');
    }),
  );
  // For errors of Hono itself, which it would print with a message that may quote the request.
  app.onError((error, c) =>
    respond(c, '/*', () => {
      throw error;
    }),
  );

  /** Answers `path` by method. One handler and no middleware: each link of a chain costs promises at every request. */
  function serve(path: string, handlers: { [method: string]: Handler }, checkTransport = refuseInsecure): void {
    const byMethod = new Map(Object.entries(handlers));
    const allowed = [...byMethod.keys()].flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method]));
    app.all(path, (c) =>
      respond(c, path, () => {
        checkTransport(c, publicUrl);
        const handler = byMethod.get(c.req.method === 'HEAD' ? 'GET' : c.req.method);
        if (!handler) throw new MethodNotAllowed([...allowed, 'OPTIONS']);
        return handler(c);
      }),
    );
  }

  /** Every answer comes through here: it gets its headers, is counted and logged. */
  function respond(c: Context, route: string, handle: Handler): Response | Promise<Response> {
    const started = performance.now();
    const id = crypto.randomUUID();
    const finish = ({ status, headers, body }: Answer) => {
      const seconds = (performance.now() - started) / 1000;
      const answered = { id, method: c.req.method, route, status, seconds };
      metrics.answer(answered);
      onAnswer(answered);
      const closing = isReady() ? {} : { Connection: 'close' };
      return new Response(body, {
        status,
        headers: { ...headers, ...SECURITY_HEADERS, ...closing, 'X-Request-Id': id },
      });
    };
    const answer = c.req.header('Origin') === undefined ? attempt(c, handle) : share(c, handle);
    // At once only where nothing is left to read: the adapter closes connections whose request it answers before its end.
    return answer instanceof Promise || c.req.method !== 'GET' ? Promise.resolve(answer).then(finish) : finish(answer);
  }

  /** With the headers by which a browser shows the answer to a page of another origin, or the answer to its preflight. */
  async function share(c: Context, handle: Handler): Promise<Answer> {
    let answer: Answer | undefined;
    const preflight = await allowOrigins(c, async () => {
      answer = await attempt(c, handle);
    });
    const { status, headers, body } = answer ?? { status: preflight?.status ?? 204, headers: {}, body: null };
    return { status, headers: { ...headers, ...Object.fromEntries(preflight?.headers ?? c.res.headers) }, body };
  }

  function attempt(c: Context, handle: Handler): ReturnType<Handler> {
    try {
      const answer = handle(c);
      return answer instanceof Promise ? answer.catch((error) => fail(c, error)) : answer;
    } catch (error) {
      return fail(c, error);
    }
  }

  function fail(c: Context, error: unknown): Answer {
    const refusal = toRefusal(error, c);
    if (!(refusal instanceof UnknownCode)) metrics.refusal(refusal.reason);
    return refuse(c, refusal, render, pages);
  }

  /** Only misses are limited, and only with an answer: behind a shared address, known codes go on working. */
  function toRefusal(error: unknown, c: Context): Refusal {
    if (error instanceof UnknownCode) {
      metrics.miss();
      const wait = limitMisses(addressOf(c));
      return wait > 0 ? new TooManyRequests(wait) : error;
    }
    if (error instanceof Refusal) return error;
    onUnexpectedError(error);
    return new InternalError();
  }

  /** Whoever names no origin is no page; the service's own form names `null`, by its referrer policy. */
  function mayDeposit(c: Context): boolean {
    const origin = c.req.header('Origin');
    if (origin === undefined || config.corsOrigins === '*') return true;
    if (c.req.header('Sec-Fetch-Site') === 'same-origin') return true;
    return origin === new URL(publicUrl).origin || config.corsOrigins.includes(origin);
  }

  function addressOf(c: Context): string {
    return clientAddress(remoteAddress(c) ?? '', c.req.header('X-Forwarded-For') ?? '', config.trustProxy);
  }

  return app;
}

function isAuthorized(c: Context, token: string | undefined): boolean {
  if (token === undefined) return true;
  const hash = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(hash(c.req.header('Authorization') ?? ''), hash(`Bearer ${token}`));
}

/** For the case that a proxy says the client came by plain HTTP. */
function refuseInsecure(c: Context, publicUrl: string): void {
  const [protocol = ''] = (c.req.header('X-Forwarded-Proto') ?? '').split(',');
  if (protocol.trim().toLowerCase() !== 'http') return;
  if (c.req.method === 'GET' || c.req.method === 'HEAD') {
    // There is nowhere to send them.
    if (!publicUrl.startsWith('https:')) return;
    const { pathname, search } = new URL(c.req.url);
    throw new MovedToHttps(`${publicUrl}${pathname}${search}`);
  }
  if (c.req.method === 'OPTIONS') return;
  throw new InsecureTransport(
    'This came over plain HTTP, and nothing was stored. Use the https address; credentials that were sent may have been read on the way.',
  );
}

/** What may be asked for over plain HTTP: a supervisor is on the inner side of the proxy. */
function anyTransport(): void {}

/** A refused script URL is a script in its dialect: piped into a shell, the answer must not look like success. */
function refuse(c: Context, refusal: Refusal, render: Render, pages: Pages): Answer {
  const { headers, body } = refusalFor(c, refusal, render, pages);
  return { status: refusal.status, headers: { ...headers, ...refusal.headers }, body };
}

function refusalFor(c: Context, refusal: Refusal, render: Render, pages: Pages): Answer {
  if (isForPeople(c)) return page(pages.message(problemDetail(refusal)));
  if (!isScriptUrl(c)) return ok('application/problem+json', JSON.stringify(problemDetail(refusal)));
  const dialect = dialectOf(c);
  return script(dialect, 'rport-installer', render.error(dialect, refusal.message));
}

/** Whether a page is the answer: to a browser that looks at something or sends the form. No preview deposits. */
function isForPeople(c: Context): boolean {
  if (c.req.method === 'POST') return prefersHtml(c.req.header('Accept') ?? '');
  return ['GET', 'HEAD'].includes(c.req.method) && answerFor(c) === 'page';
}

function answerFor(c: Context): ReturnType<typeof negotiate> {
  const { extension } = parsePath(c.req.path);
  return negotiate(extension, c.req.header('User-Agent') ?? '', c.req.header('Accept') ?? '');
}

function isScriptUrl(c: Context): boolean {
  const wantsJson = parsePath(c.req.path).extension === 'json' || c.req.header('Accept') === 'application/json';
  return (c.req.method === 'GET' || c.req.method === 'HEAD') && !wantsJson;
}

function dialectOf(c: Context): Dialect {
  return chooseDialect(parsePath(c.req.path).extension, c.req.header('User-Agent') ?? '');
}

const NO_QUERY = new URLSearchParams();

function queryOf(c: Context): URLSearchParams {
  return c.req.url.includes('?') ? new URL(c.req.url).searchParams : NO_QUERY;
}

function ok(type: string, body: string): Answer {
  return { status: 200, headers: { 'Content-Type': type }, body };
}

function text(body: string): Answer {
  return ok('text/plain; charset=utf-8', body);
}

function json(value: object): Answer {
  return ok('application/json', JSON.stringify(value));
}

function page(html: string): Answer {
  const { status, headers, body } = ok('text/html; charset=utf-8', html);
  return { status, headers: { ...headers, 'Content-Security-Policy': CONTENT_SECURITY_POLICY }, body };
}

function script(dialect: Dialect, name: string, body: string): Answer {
  const headers = {
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Disposition': `inline; filename="${name}.${dialect}"`,
  };
  return { status: 200, headers, body };
}

function seeOther(location: string): Answer {
  return { status: 303, headers: { Location: location }, body: null };
}

function once<Value>(make: () => Value): () => Value {
  let made: { value: Value } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

/** What a visitor without a pairing code gets. */
function usage(publicUrl: string): string {
  return `This service pairs machines with an RPort server.

Upload the credentials of a client; they are kept in memory for a few minutes:

  curl -sS ${publicUrl} -H 'Content-Type: application/json' -d @- <<'EOF'
  {"connect_url": "https://rport.example.com:8080", "fingerprint": "...",
   "client_id": "...", "password": "..."}
EOF

The answer holds one command for Linux and one for Windows. Run it on the machine to connect.
`;
}
