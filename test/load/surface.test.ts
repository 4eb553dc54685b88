import { request as send } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DEPOSIT, startApp } from '../support/app.ts';

const REQUESTS = 6000;

const SECRETS = {
  ...DEPOSIT,
  connect_url: 'https://needle-in-the-connect-url.example/',
  client_id: 'needle-in-the-client-id',
  password: 'needle-in-the-password',
};

interface Sent {
  method: string;
  path: string;
  headers: Record<string, string>;
  body: Buffer | undefined;
}

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'TRACE', 'PROPFIND', 'SEARCH', 'QUERY'];

/** What a request line can hold, so that the service is reached and not only the parser in front of it. */
const token = fc.string({
  unit: fc.constantFrom(...'abzAZ09-_.~!$&\'()*+,;=:@%/?"<>[]^`{|}\\\u00e9'.split('')),
  maxLength: 30,
});
const headerValue = fc.string({
  unit: fc.constantFrom(...'aZ09 ,;=/*"\'()<>%\t\u00e9\u00ff'.split('')),
  maxLength: 60,
});

const path = fc.oneof(
  fc.constantFrom(
    '/',
    '/uninstall',
    '/uninstall.ps1',
    '/healthz',
    '/readyz',
    '/metrics',
    '/openapi.json',
    '//',
    '/%',
    '/..',
  ),
  fc.constantFrom('22222222222a', '22222222222a.sh', '22222222222a.json', '22222222222a.ps1').map((name) => `/${name}`),
  fc.tuple(fc.constantFrom('/22222222222a?', '/CODE?', '/uninstall?', '/?'), token).map((parts) => parts.join('')),
  fc.constantFrom('/CODE', '/CODE.sh', '/CODE.ps1', '/CODE.json', '/CODE/', '/CODE.txt'),
  token.map((text) => `/${text}`),
);

const headers = fc.dictionary(
  fc.constantFrom(
    ...['Accept', 'Accept-Encoding', 'User-Agent', 'Origin', 'Access-Control-Request-Headers', 'Authorization'],
    ...['X-Forwarded-For', 'X-Forwarded-Proto', 'Content-Encoding', 'If-None-Match', 'Range', 'Cookie', 'X-Other'],
  ),
  fc.oneof(headerValue, fc.constantFrom('*/*', 'text/html', 'application/json', 'http', 'gzip', 'PowerShell Windows')),
  { maxKeys: 5 },
);

const json = fc.oneof(
  fc.json(),
  fc
    .record(
      {
        connect_url: fc.oneof(fc.string(), fc.webUrl(), fc.constant(SECRETS.connect_url)),
        fingerprint: fc.oneof(fc.string(), fc.constant(SECRETS.fingerprint)),
        client_id: fc.oneof(fc.string(), fc.constant(SECRETS.client_id)),
        password: fc.oneof(fc.string(), fc.constant(SECRETS.password)),
        uses: fc.oneof(fc.anything(), fc.integer()),
        [SECRETS.password]: fc.anything(),
      },
      { requiredKeys: [] },
    )
    .map((fields) => JSON.stringify(fields, (_, value) => (typeof value === 'bigint' ? String(value) : value))),
);

const body = fc.oneof(
  fc.constant({ type: '', content: Buffer.alloc(0) }),
  json.map((text) => ({ type: 'application/json', content: Buffer.from(text ?? '') })),
  fc.uint8Array({ maxLength: 200 }).map((bytes) => ({ type: 'application/json', content: Buffer.from(bytes) })),
  fc.webQueryParameters().map((text) => ({ type: 'application/x-www-form-urlencoded', content: Buffer.from(text) })),
  fc.string().map((text) => ({
    type: 'multipart/form-data; boundary=x',
    content: Buffer.from(`--x\r\nContent-Disposition: form-data; name="password"\r\n\r\n${text}\r\n--x--`),
  })),
  fc.tuple(headerValue, fc.uint8Array()).map(([type, bytes]) => ({ type, content: Buffer.from(bytes) })),
  fc
    .integer({ min: 8000, max: 20_000 })
    .map((size) => ({ type: 'application/json', content: Buffer.alloc(size, '[') })),
);

const requests = fc
  .record({ method: fc.constantFrom(...METHODS), path, headers, body })
  .map(({ method, path, headers, body: { type, content } }): Sent => {
    const hasBody = content.length > 0 && method !== 'GET' && method !== 'HEAD' && method !== 'TRACE';
    return {
      method,
      path,
      headers: { ...headers, ...(type.trim() !== '' && { 'Content-Type': type }) },
      body: hasBody ? content : undefined,
    };
  });

test(`answers ${REQUESTS} random requests without a 5xx, an echo or a missing security header`, async () => {
  const { server, errors } = startApp({
    maxDeposits: 100_000,
    env: {
      DEPOSITS_PER_MINUTE: '999999999',
      MISSES_PER_MINUTE: '999999999',
      CORS_ORIGINS: 'https://rport.example.com',
    },
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const answerTo = (sent: Sent) => exchange(port, sent);
  const deposited = await answerTo({
    method: 'POST',
    path: '/',
    headers: { 'Content-Type': 'application/json' },
    body: Buffer.from(JSON.stringify(SECRETS)),
  });
  const { pairing_code } = JSON.parse(deposited.text);

  await fc.assert(
    fc.asyncProperty(requests, async (sent) => {
      const path = sent.path.replace('CODE', pairing_code);
      // The one request that may end the pairing.
      const method = sent.method === 'DELETE' && path !== sent.path ? 'PUT' : sent.method;
      const { status, headers, text, isFromParser } = await answerTo({ ...sent, method, path });
      expect(status).toBeLessThan(500);
      if (isFromParser) return;
      expect(headers).toMatchObject({
        'cache-control': 'no-store',
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
      });
      const mayHoldCredentials = status === 200 && path !== sent.path && /^(\/[^.]*|.*\.(sh|ps1))(\?.*)?$/.test(path);
      if (mayHoldCredentials) return;
      const answer = JSON.stringify(headers) + text;
      for (const needle of ['needle-in-the-connect', SECRETS.client_id, SECRETS.password]) {
        expect(answer).not.toContain(needle);
      }
    }),
    { numRuns: REQUESTS },
  );
  expect(errors).toEqual([]);
  server.close();
});

/** One request as it is written, and its answer. `isFromParser`: Node refused it before the service could see it. */
function exchange(port: number, { method, path, headers, body }: Sent) {
  return new Promise<{ status: number; headers: object; text: string; isFromParser: boolean }>((resolve, reject) => {
    const outgoing = send({ port, host: '127.0.0.1', method, path: encodeURI(path).replaceAll('%25', '%'), headers });
    outgoing.once('error', reject);
    outgoing.once('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.once('error', reject);
      response.once('end', () => {
        const status = response.statusCode ?? 0;
        const isFromParser = status === 400 && response.headers['x-request-id'] === undefined;
        resolve({ status, headers: response.headers, text: Buffer.concat(chunks).toString(), isFromParser });
      });
    });
    outgoing.end(body);
  });
}
