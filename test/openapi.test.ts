import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import request from 'supertest';
import { beforeAll, describe, expect, test } from 'vitest';
import { DEPOSIT, startApp } from './support/app.ts';

type Content = Record<string, { schema: object }>;

interface Operation {
  requestBody?: { content: Content };
  responses?: Record<string, { content?: Content; headers?: object }>;
}

interface Document {
  paths: Record<string, Record<string, Operation>>;
  components: object;
}

type Provoke = (server: ReturnType<typeof startApp>['server'], code: string, stop: () => void) => request.Test;

const BROWSER = 'text/html,*/*;q=0.8';
const UNKNOWN = '22222222222a';

/** Each documented answer, and a request that gets it: `METHOD path status type`. */
const ANSWERS: Record<string, Provoke> = {
  'get / 200 text/plain': (server) => request(server).get('/'),
  'get / 200 text/html': (server) => request(server).get('/').set('Accept', BROWSER),
  'post / 200 application/json': (server) => request(server).post('/').send(DEPOSIT),
  'post / 303': (server) => request(server).post('/').set('Accept', BROWSER).type('form').send(DEPOSIT),
  'post / 400 application/problem+json': (server) => request(server).post('/').send({}),
  'post / 403 application/problem+json': (server) =>
    request(server).post('/').set({ 'X-Forwarded-For': '192.0.2.1', 'X-Forwarded-Proto': 'http' }).send(DEPOSIT),
  'post / 413 application/problem+json': (server) =>
    request(server)
      .post('/')
      .send({ padding: 'x'.repeat(8192) }),
  'post / 415 application/problem+json': (server) => request(server).post('/').type('text/plain').send('x'),
  'post / 429 application/problem+json': (server) => request(server).post('/').send(DEPOSIT),
  'post / 503 application/problem+json': (server) => request(server).post('/').send(DEPOSIT),
  'get /{code} 200 text/plain': (server, code) => request(server).get(`/${code}`),
  'get /{code} 200 text/html': (server, code) => request(server).get(`/${code}`).set('Accept', BROWSER),
  'get /{code} 400 text/plain': (server, code) => request(server).get(`/${code}?u`),
  'get /{code} 400 text/html': (server, code) => request(server).get(`/${code}?u`).set('Accept', BROWSER),
  'get /{code} 404 text/plain': (server) => request(server).get(`/${UNKNOWN}`),
  'get /{code} 404 text/html': (server) => request(server).get(`/${UNKNOWN}`).set('Accept', BROWSER),
  'get /{code} 429 text/plain': (server) => request(server).get(`/${UNKNOWN}`),
  'get /{code} 429 text/html': (server) => request(server).get(`/${UNKNOWN}`).set('Accept', BROWSER),
  'delete /{code} 204': (server, code) => request(server).delete(`/${code}`),
  'delete /{code} 404 application/problem+json': (server) => request(server).delete(`/${UNKNOWN}`),
  'delete /{code} 429 application/problem+json': (server) => request(server).delete(`/${UNKNOWN}`),
  'get /{code}.sh 200 text/plain': (server, code) => request(server).get(`/${code}.sh`),
  'get /{code}.sh 400 text/plain': (server, code) => request(server).get(`/${code}.sh?u`),
  'get /{code}.sh 404 text/plain': (server) => request(server).get(`/${UNKNOWN}.sh`),
  'get /{code}.sh 429 text/plain': (server) => request(server).get(`/${UNKNOWN}.sh`),
  'get /{code}.ps1 200 text/plain': (server, code) => request(server).get(`/${code}.ps1`),
  'get /{code}.ps1 400 text/plain': (server, code) => request(server).get(`/${code}.ps1?u`),
  'get /{code}.ps1 404 text/plain': (server) => request(server).get(`/${UNKNOWN}.ps1`),
  'get /{code}.ps1 429 text/plain': (server) => request(server).get(`/${UNKNOWN}.ps1`),
  'get /{code}.json 200 application/json': (server, code) => request(server).get(`/${code}.json`),
  'get /{code}.json 404 application/problem+json': (server) => request(server).get(`/${UNKNOWN}.json`),
  'get /{code}.json 429 application/problem+json': (server) => request(server).get(`/${UNKNOWN}.json`),
  'get /uninstall 200 text/plain': (server) => request(server).get('/uninstall'),
  'get /healthz 200 text/plain': (server) => request(server).get('/healthz'),
  'get /readyz 200 text/plain': (server) => request(server).get('/readyz'),
  'get /readyz 503 text/plain': (server, _, stop) => {
    stop();
    return request(server).get('/readyz');
  },
  'get /metrics 200 text/plain': (server) => request(server).get('/metrics'),
  'get /metrics 401 text/plain': (server) => request(server).get('/metrics'),
  'get /openapi.json 200 application/json': (server) => request(server).get('/openapi.json'),
};

/** What the service must be like for an answer of this status. */
const CONDITIONS: Record<string, Parameters<typeof startApp>[0]> = {
  403: { env: { TRUST_PROXY: '1' } },
  401: { env: { METRICS_TOKEN: 'secret' } },
  429: { env: { DEPOSITS_PER_MINUTE: '1', MISSES_PER_MINUTE: '1' } },
  503: { maxDeposits: 1 },
};

let document: Document;
beforeAll(async () => {
  document = (await request(startApp().server).get('/openapi.json').expect(200)).body;
});

test('is a valid OpenAPI 3.1 document', async () => {
  expect(await new Validator().validate({ ...document })).toMatchObject({ valid: true });
});

test('documents exactly the answers that are held against the real ones below', () => {
  const documented = Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.entries(operations).flatMap(([method, { responses = {} }]) =>
      Object.entries(responses).flatMap(([status, { content }]) =>
        content
          ? Object.keys(content).map((type) => `${method} ${path} ${status} ${type}`)
          : [`${method} ${path} ${status}`],
      ),
    ),
  );
  expect(documented.sort()).toEqual(Object.keys(ANSWERS).sort());
});

describe('the real answer is the documented one:', () => {
  test.each(Object.entries(ANSWERS))('%s', async (name, provoke) => {
    const [method = '', path = '', status = '', type] = name.split(' ');
    const { server, stop } = startApp(CONDITIONS[status]);
    const { body: pairing } = await request(server).post('/').send(DEPOSIT);
    await request(server).get(`/${UNKNOWN}`);
    const answer = await provoke(server, pairing.pairing_code, stop);
    expect(answer.status).toBe(Number(status));
    expect(answer.type || undefined).toBe(type);
    const documented = document.paths[path]?.[method]?.responses?.[status];
    for (const header of Object.keys(documented?.headers ?? {}))
      expect(answer.headers).toHaveProperty(header.toLowerCase());
    const schema = documented?.content?.[type ?? '']?.schema;
    if (type?.endsWith('json')) expect(problemsOf(schema, answer.body)).toEqual([]);
  });
});

describe('the schema of a deposit', () => {
  const problems = (deposit: object) => {
    const { content } = document.paths['/']?.post?.requestBody ?? { content: {} };
    return problemsOf(content['application/json']?.schema, deposit);
  };

  test.each([DEPOSIT, { ...DEPOSIT, uses: 5 }, { ...DEPOSIT, uses: '5' }])(
    'takes what the service takes: %o',
    async (deposit) => {
      await request(startApp().server).post('/').send(deposit).expect(200);
      expect(problems(deposit)).toEqual([]);
    },
  );

  test.each([
    { connect_url: 'ftp://rport.example.com' },
    { fingerprint: '2a' },
    { client_id: 'a:bc' },
    { password: '' },
    { uses: 1001 },
    { uses: 'many' },
  ])('refuses what the service refuses: %o', async (field) => {
    await request(startApp().server)
      .post('/')
      .send({ ...DEPOSIT, ...field })
      .expect(400);
    expect(problems({ ...DEPOSIT, ...field })).not.toEqual([]);
  });
});

/** What is wrong with `value` by a schema of the document. */
function problemsOf(schema: object | undefined, value: unknown): string[] {
  if (!schema) return ['there is no schema'];
  const validate = addFormats.default(new Ajv2020({ strict: false })).compile({
    ...schema,
    components: document.components,
  });
  return validate(value)
    ? []
    : (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
}
