import { type Context, Hono } from 'hono';
import { cors } from 'hono/cors';
import { pair, readDeposit } from './deposit.ts';
import { InternalError, MethodNotAllowed, NotFound, problemDetail, Refusal } from './errors.ts';
import { type Dialect, readFlags } from './flags.ts';
import { chooseDialect, negotiate } from './negotiate.ts';
import { openApiDocument } from './openapi.ts';
import { ASSETS, CONTENT_SECURITY_POLICY, type Pages } from './page.ts';
import type { Render } from './render.ts';
import { assertAvailable, parsePath, readStatus, retrieve, revoke } from './retrieve.ts';
import type { DepositStore } from './store.ts';

export interface AppDeps {
  store: DepositStore;
  render: Render;
  pages: Pages;
  publicUrl: string;
  /** The RPort servers that deposits may be for; without it, any. */
  connectHosts?: readonly string[] | undefined;
  /** The origins whose pages may use this service from a browser, or `*`. */
  corsOrigins: '*' | string[];
  /** Told of each error nobody expected. Its message may quote a credential. */
  onUnexpectedError: (error: Error) => void;
}

/** The whole HTTP surface. Pure: everything it touches is in `deps`. */
export function createApp({
  store,
  render,
  pages,
  publicUrl,
  connectHosts,
  corsOrigins,
  onUnexpectedError,
}: AppDeps): Hono {
  const app = new Hono();

  app.use(async (c, next) => {
    await next();
    c.header('Cache-Control', 'no-store');
    c.header('X-Content-Type-Options', 'nosniff');
    c.header('Referrer-Policy', 'no-referrer');
  });
  app.use(cors({ origin: corsOrigins, allowMethods: ['POST', 'GET', 'OPTIONS'] }));

  app.get('/', (c) => (isForPeople(c) ? page(c, pages.form()) : c.text(usage(publicUrl))));
  app.post('/', async (c) => {
    const pairing = pair(await readDeposit(c.req.raw, connectHosts), store, publicUrl);
    // To the page of the pairing: loading that again deposits nothing.
    return isForPeople(c) ? c.redirect(new URL(pairing.url).pathname, 303) : c.json(pairing);
  });
  app.all('/', () => refuseMethod('GET', 'HEAD', 'POST', 'OPTIONS'));

  for (const path of ['/healthz', '/readyz']) {
    app.get(path, (c) => c.text('ok\n'));
    app.all(path, () => refuseMethod('GET', 'HEAD', 'OPTIONS'));
  }

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
    const retrieval = { code, dialect, query: queryOf(c), counted: c.req.method !== 'HEAD' };
    return script(c, dialect, 'rport-installer', retrieve(retrieval, store, render));
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
    if (error instanceof Refusal) return refuse(c, error, render, pages);
    onUnexpectedError(error);
    return refuse(c, new InternalError(), render, pages);
  });

  return app;
}

/** A refused script URL is a script in its dialect: piped into a shell, the answer must not look like success. */
function refuse(c: Context, refusal: Refusal, render: Render, pages: Pages): Response {
  for (const [name, value] of Object.entries(refusal.headers)) c.header(name, value);
  c.status(refusal.status);
  if (isForPeople(c)) return page(c, pages.message(problemDetail(refusal)));
  if (isScriptUrl(c)) {
    const dialect = dialectOf(c);
    return script(c, dialect, 'rport-installer', render.error(dialect, refusal.message));
  }
  c.header('Content-Type', 'application/problem+json');
  return c.body(JSON.stringify(problemDetail(refusal)));
}

/** Whether a page is the answer: to a browser that looks at something or sends the form. */
function isForPeople(c: Context): boolean {
  return ['GET', 'HEAD', 'POST'].includes(c.req.method) && answerFor(c) === 'page';
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

function queryOf(c: Context): URLSearchParams {
  return new URL(c.req.url).searchParams;
}

function page(c: Context, html: string): Response {
  c.header('Content-Security-Policy', CONTENT_SECURITY_POLICY);
  return c.html(html);
}

function script(c: Context, dialect: Dialect, name: string, text: string): Response {
  c.header('Content-Type', 'text/plain; charset=utf-8');
  c.header('Content-Disposition', `inline; filename="${name}.${dialect}"`);
  return c.body(text);
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
