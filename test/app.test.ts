import { spawnSync } from 'node:child_process';
import request from 'supertest';
import { describe, expect, test } from 'vitest';
import { DEPOSIT, startApp } from './support/app.ts';

const WINDOWS_POWERSHELL = 'Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1.19041.1237';
const POWERSHELL_ON_WINDOWS = 'Mozilla/5.0 (Windows NT 10.0; Microsoft Windows 10.0.19045; en-US) PowerShell/7.4.1';
const POWERSHELL_ON_LINUX = 'Mozilla/5.0 (Linux; Debian GNU/Linux 12; en-US) PowerShell/7.4.1';
const CHAT_BOT = 'Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)';
const BROWSER = { 'User-Agent': 'Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0', Accept: 'text/html,*/*;q=0.8' };

type Server = ReturnType<typeof startApp>['server'];

async function pairedApp(options = {}) {
  const app = startApp(options);
  const { body } = await request(app.server).post('/').send(DEPOSIT).expect(200);
  return { ...app, code: body.pairing_code as string };
}

function runInShell(script: string) {
  return spawnSync('sh', { input: script, encoding: 'utf8' });
}

describe('POST /', () => {
  test('answers a deposit with code, pairing URL, expiry in ten minutes and one command for each system', async () => {
    const { server, start } = startApp();
    const { body } = await request(server)
      .post('/')
      .send(DEPOSIT)
      .expect(200)
      .expect('Content-Type', /^application\/json/);
    expect(body.pairing_code).toMatch(/^[2-9A-HJ-NP-Za-kmnp-z]{12}$/);
    const url = `https://pairing.example.com/${body.pairing_code}`;
    expect(body).toEqual({
      pairing_code: body.pairing_code,
      url,
      expires: new Date(start + 600_000).toISOString(),
      installers: { linux: `curl -sSL ${url} | sudo sh -s --`, windows: expect.any(String) },
    });
  });

  test('gives a Windows command with TLS 1.2 that ends in the invocation of the downloaded script', async () => {
    const { body } = await request(startApp().server).post('/').send(DEPOSIT);
    const { windows } = body.installers;
    expect(windows).toContain('-bor 3072');
    expect(windows).toContain(`Invoke-WebRequest -UseBasicParsing -Uri ${body.url}.ps1 -OutFile rport-installer.ps1`);
    expect(windows).toMatch(/powershell -ExecutionPolicy Bypass -File \.\\rport-installer\.ps1$/);
  });

  test.each([
    ['JSON', (post: request.Test) => post.send(DEPOSIT)],
    ['a multipart form', (post: request.Test) => Object.entries(DEPOSIT).reduce((p, [k, v]) => p.field(k, v), post)],
    ['an urlencoded form', (post: request.Test) => post.type('form').send(DEPOSIT)],
  ])('takes a deposit as %s, and its credentials come out in the installer', async (_, send) => {
    const { server } = startApp();
    const { body } = await send(request(server).post('/')).expect(200);
    const { text } = await request(server).get(`/${body.pairing_code}`).expect(200);
    expect(text).toContain(`server_toml='"${DEPOSIT.connect_url}"'`);
    expect(text).toContain(`fingerprint_toml='"${DEPOSIT.fingerprint}"'`);
    expect(text).toContain(`auth_toml='"${DEPOSIT.client_id}:${DEPOSIT.password}"'`);
  });

  test('refuses what breaks a rule with 400 and a problem detail that names every field', async () => {
    const { body, headers } = await request(startApp().server).post('/').send({ client_id: 'a:b' }).expect(400);
    expect(headers['content-type']).toBe('application/problem+json');
    expect(body).toMatchObject({ title: 'Bad Request', status: 400 });
    expect(body.errors.map((error: { field: string }) => error.field).sort()).toEqual(Object.keys(DEPOSIT).sort());
  });

  test.each([
    ['JSON that is none', 'application/json', '{"password": "hunter2"'],
    ['JSON that is no object', 'application/json', '["hunter2"]'],
    ['JSON that is no UTF-8', 'application/json', Buffer.from([0x22, 0xff, 0x22])],
    ['a form that is none', 'multipart/form-data; boundary=x', 'hunter2'],
  ])('refuses %s with 400 and does not repeat it', async (_, type, body) => {
    const { text } = await request(startApp().server).post('/').set('Content-Type', type).send(body).expect(400);
    expect(text).not.toContain('hunter2');
  });

  test('refuses a field given twice, and a file in its place', async () => {
    const { server } = startApp();
    const form = new URLSearchParams(DEPOSIT);
    form.append('password', 'another');
    const twice = await request(server).post('/').type('form').send(form.toString()).expect(400);
    expect(twice.body.errors).toEqual([{ field: 'password', problem: 'is missing or not text' }]);
    const { password, ...rest } = DEPOSIT;
    const upload = request(server).post('/').attach('password', Buffer.from(password), 'password.txt');
    await Object.entries(rest)
      .reduce((post, [name, value]) => post.field(name, value), upload)
      .expect(400);
  });

  test('refuses more than 8 KiB with 413, announced or not', async () => {
    const { server } = startApp();
    const body = JSON.stringify({ ...DEPOSIT, padding: 'x'.repeat(8192) });
    await request(server).post('/').type('json').send(body).expect(413);
    const chunked = request(server).post('/').type('json').set('Transfer-Encoding', 'chunked');
    chunked.write(body);
    await chunked.expect(413);
  });

  test('refuses another media type with 415', async () => {
    const { body } = await request(startApp().server).post('/').type('text/plain').send('x').expect(415);
    expect(body.status).toBe(415);
  });

  test('answers 503 with Retry-After when the store is full, and keeps the live deposits', async () => {
    const { server, code, pass } = await pairedApp({ maxDeposits: 1 });
    pass(100);
    const { headers } = await request(server).post('/').send(DEPOSIT).expect(503);
    expect(headers['retry-after']).toBe('500');
    await request(server).get(`/${code}`).expect(200);
    pass(501);
    await request(server).post('/').send(DEPOSIT).expect(200);
  });
});

describe('GET /{code}', () => {
  test('hands out the sh installer as plain text with a file name', async () => {
    const { server, code } = await pairedApp();
    const { text, headers } = await request(server).get(`/${code}`).expect(200);
    expect(text).toMatch(/^#!\/bin\/sh\n/);
    expect(headers).toMatchObject({
      'content-type': 'text/plain; charset=utf-8',
      'content-disposition': 'inline; filename="rport-installer.sh"',
    });
  });

  test.each([
    ['ps1', 'Windows PowerShell', WINDOWS_POWERSHELL],
    ['ps1', 'PowerShell on Windows', POWERSHELL_ON_WINDOWS],
    ['sh', 'PowerShell on Linux', POWERSHELL_ON_LINUX],
    ['sh', 'curl', 'curl/8.5.0'],
    ['sh', 'wget', 'Wget/1.21.3'],
    ['sh', 'nothing', ''],
  ])('speaks %s to %s', async (dialect, _, userAgent) => {
    const { server, code } = await pairedApp();
    const { headers } = await request(server).get(`/${code}`).set('User-Agent', userAgent).expect(200);
    expect(headers['content-disposition']).toContain(`rport-installer.${dialect}`);
  });

  test('.sh and .ps1 give that dialect to any client', async () => {
    const { server, code } = await pairedApp();
    const sh = await request(server).get(`/${code}.sh`).set('User-Agent', WINDOWS_POWERSHELL).expect(200);
    expect(sh.headers['content-disposition']).toContain('rport-installer.sh');
    const ps1 = await request(server).get(`/${code}.ps1`).set('User-Agent', 'curl/8').expect(200);
    expect(ps1.headers['content-disposition']).toContain('rport-installer.ps1');
  });

  test('bakes flags of the query in', async () => {
    const { server, code } = await pairedApp();
    const { text } = await request(server).get(`/${code}?x&s&a=deploy&g=one&g=New+York`).expect(200);
    expect(text).toContain("default_flags='xs'");
    expect(text).toContain("default_account='deploy'");
    expect(text).toContain('default_tags=\'"one", "New York"\'');
  });

  test.each([
    'u',
    'z=http://example.com',
    'n',
    'q',
    'x=1',
    'a',
    'a=b%27',
    'a=one&a=two',
    'g=%22',
    'g=',
    'g=a%2Cb',
    '%0A',
  ])('refuses ?%s with 400 and a script that fails', async (query) => {
    const { server, code } = await pairedApp();
    const { text } = await request(server).get(`/${code}?${query}`).expect(400);
    expect(runInShell(text)).toMatchObject({ status: 1, stdout: '', stderr: expect.stringContaining('query') });
  });

  test('answers an unknown code with 404 and a script that prints the reason and exits 1', async () => {
    const { text } = await request(startApp().server).get('/22222222222a').expect(404);
    expect(runInShell(text)).toMatchObject({
      status: 1,
      stdout: '',
      stderr: expect.stringContaining('unknown or has expired'),
    });
  });

  test('answers an unknown code with an error script in PowerShell for PowerShell on Windows', async () => {
    const { headers } = await request(startApp().server)
      .get('/22222222222a')
      .set('User-Agent', WINDOWS_POWERSHELL)
      .expect(404);
    expect(headers['content-disposition']).toContain('.ps1');
  });

  test('forgets a deposit ten minutes after it came, however often it was picked up', async () => {
    const { server, code, pass } = await pairedApp();
    pass(599);
    await request(server).get(`/${code}`).expect(200);
    pass(2);
    await request(server).get(`/${code}`).expect(404);
    await request(server).get(`/${code}.json`).expect(404);
    await request(server).delete(`/${code}`).expect(404);
  });

  test('matches codes exactly', async () => {
    const { server, code } = await pairedApp();
    const swapped = [...code].map((c) => (c === c.toLowerCase() ? c.toUpperCase() : c.toLowerCase())).join('');
    if (swapped !== code) await request(server).get(`/${swapped}`).expect(404);
    await request(server).get(`/${code}x`).expect(404);
    await request(server).get(`/${code}/`).expect(404);
    await request(server).get(`/${code}.txt`).expect(404);
  });
});

describe('GET /{code}.json', () => {
  test('tells expiry and retrievals, and no credential', async () => {
    const { server, code, start } = await pairedApp();
    await request(server).get(`/${code}`);
    await request(server).get(`/${code}.ps1`);
    const { body } = await request(server).get(`/${code}.json`).expect(200);
    expect(body).toEqual({ expires: new Date(start + 600_000).toISOString(), retrievals: 2 });
  });

  test('does not count HEAD, a refused query, or itself', async () => {
    const { server, code } = await pairedApp();
    const head = await request(server).head(`/${code}`).expect(200);
    expect(head.headers['content-disposition']).toContain('rport-installer.sh');
    await request(server).get(`/${code}?u`).expect(400);
    await request(server).get(`/${code}.json`);
    const { body } = await request(server).get(`/${code}.json`);
    expect(body.retrievals).toBe(0);
  });

  test('answers an unknown code with a problem detail', async () => {
    const { body, headers } = await request(startApp().server).get('/22222222222a.json').expect(404);
    expect(headers['content-type']).toBe('application/problem+json');
    expect(body.status).toBe(404);
  });
});

describe('a deposit with `uses`', () => {
  test('is handed out so often, then answers 404 with a script and still tells its status', async () => {
    const { server, start } = startApp();
    const { body } = await request(server)
      .post('/')
      .send({ ...DEPOSIT, uses: 2 })
      .expect(200);
    await request(server).get(`/${body.pairing_code}`).expect(200);
    await request(server).get(`/${body.pairing_code}.ps1`).expect(200);
    const { text } = await request(server).get(`/${body.pairing_code}`).expect(404);
    expect(runInShell(text)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('used as often as it may be'),
    });
    await request(server).head(`/${body.pairing_code}`).expect(404);
    const status = await request(server).get(`/${body.pairing_code}.json`).expect(200);
    expect(status.body).toEqual({ expires: new Date(start + 600_000).toISOString(), retrievals: 2, uses: 2 });
    await request(server).delete(`/${body.pairing_code}`).expect(204);
    await request(server).get(`/${body.pairing_code}.json`).expect(404);
  });

  test('gives its last use to exactly one of many clients that ask at once', async () => {
    const { server } = startApp();
    server.listen(0);
    const { body } = await request(server)
      .post('/')
      .send({ ...DEPOSIT, uses: 1 });
    const answers = await Promise.all(Array.from({ length: 50 }, () => request(server).get(`/${body.pairing_code}`)));
    server.close();
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 404)).toHaveLength(49);
  });

  test.each([
    ['HEAD', (server: Server, code: string) => request(server).head(`/${code}`)],
    ['the status', (server: Server, code: string) => request(server).get(`/${code}.json`)],
    ['a browser', (server: Server, code: string) => request(server).get(`/${code}`).set(BROWSER)],
    ['a chat bot', (server: Server, code: string) => request(server).get(`/${code}`).set('User-Agent', CHAT_BOT)],
    [
      'a chat bot at .ps1',
      (server: Server, code: string) => request(server).get(`/${code}.ps1`).set('User-Agent', CHAT_BOT),
    ],
  ])('is not used up by %s, which gets no credential', async (_, look) => {
    const { server } = startApp();
    const { body } = await request(server)
      .post('/')
      .send({ ...DEPOSIT, uses: 1 });
    const { text } = await look(server, body.pairing_code).expect(200);
    expect(text ?? '').not.toContain(DEPOSIT.password);
    await request(server).get(`/${body.pairing_code}`).set('User-Agent', 'curl/8').expect(200);
  });
});

describe('DELETE /{code}', () => {
  test('revokes a deposit at once', async () => {
    const { server, code } = await pairedApp();
    await request(server).delete(`/${code}`).expect(204);
    await request(server).get(`/${code}`).expect(404);
    await request(server).delete(`/${code}`).expect(404).expect('Content-Type', 'application/problem+json');
  });
});

describe('the other addresses', () => {
  test.each(['/uninstall', '/uninstall.sh', '/uninstall.ps1'])(
    'GET %s gives the installer as uninstaller, without credentials',
    async (path) => {
      const { headers } = await request(startApp().server).get(path).expect(200);
      expect(headers['content-disposition']).toContain('rport-uninstaller.');
    },
  );

  test('the sh uninstaller does nothing but uninstall', async () => {
    const { text } = await request(startApp().server).get('/uninstall.sh').expect(200);
    expect(text).toContain("default_flags='u'");
    expect(text).toContain("auth_toml=''");
  });

  test('GET / gives a short usage text', async () => {
    const { text } = await request(startApp().server).get('/').set('User-Agent', 'curl/8').expect(200);
    expect(text).toContain('curl -sS https://pairing.example.com');
  });

  test('a browser is told that a code is unknown', async () => {
    await request(startApp().server).get('/22222222222a').set(BROWSER).expect(404);
  });

  test.each(['/healthz', '/readyz'])('GET %s says the service is well', async (path) => {
    await request(startApp().server).get(path).expect(200, 'ok\n');
  });

  test.each([
    ['PUT', '/', 'GET, HEAD, POST, OPTIONS'],
    ['DELETE', '/', 'GET, HEAD, POST, OPTIONS'],
    ['POST', '/22222222222a', 'GET, HEAD, DELETE, OPTIONS'],
    ['POST', '/healthz', 'GET, HEAD, OPTIONS'],
    ['DELETE', '/uninstall', 'GET, HEAD, OPTIONS'],
  ] as const)('%s %s is answered 405 with what is allowed', async (method, path, allow) => {
    const { server } = startApp();
    const send = request(server)[method.toLowerCase() as 'put' | 'delete' | 'post'](path);
    const { headers } = await send.expect(405).expect('Content-Type', 'application/problem+json');
    expect(headers.allow).toBe(allow);
  });

  test('an address that does not exist is a script that exits 1', async () => {
    const { text } = await request(startApp().server).get('/no/such/address').expect(404);
    expect(runInShell(text).status).toBe(1);
  });
});

describe('every answer', () => {
  test.each([
    ['GET', '/'],
    ['POST', '/'],
    ['GET', '/22222222222a'],
    ['GET', '/22222222222a.json'],
    ['PUT', '/22222222222a'],
    ['GET', '/no/such/address'],
    ['GET', '/healthz'],
    ['OPTIONS', '/'],
  ] as const)('carries the security and CORS headers: %s %s', async (method, path) => {
    const send = request(startApp().server)[method.toLowerCase() as 'get' | 'post' | 'put' | 'options'](path);
    const { headers } = await send.set('Origin', 'https://rport.example.com');
    expect(headers).toMatchObject({
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'access-control-allow-origin': '*',
    });
  });

  test('lets a browser page of another origin post JSON', async () => {
    const { headers } = await request(startApp().server)
      .options('/')
      .set({ Origin: 'https://rport.example.com', 'Access-Control-Request-Method': 'POST' })
      .set('Access-Control-Request-Headers', 'content-type')
      .expect(204);
    expect(headers['access-control-allow-methods']).toBe('POST,GET,OPTIONS');
    expect(headers['access-control-allow-headers']).toBe('content-type');
  });

  test.each([
    ['https://rport.example.com', 'https://rport.example.com'],
    ['https://evil.example', undefined],
  ])('with CORS_ORIGINS, lets %s see the answer only if it is listed', async (origin, allowed) => {
    const { server } = startApp({ env: { CORS_ORIGINS: 'https://rport.example.com' } });
    for (const send of [request(server).post('/').send(DEPOSIT), request(server).options('/')]) {
      const { headers } = await send.set('Origin', origin);
      expect(headers['access-control-allow-origin']).toBe(allowed);
      expect(headers.vary).toContain('Origin');
    }
  });

  test('with CORS_ORIGINS, a page of another origin cannot deposit by a form either', async () => {
    const { server } = startApp({ env: { CORS_ORIGINS: 'https://rport.example.com' } });
    const post = (origin: string) => request(server).post('/').set('Origin', origin).type('form').send(DEPOSIT);
    await post('https://evil.example').expect(403);
    await post('null').expect(403);
    await post('null').set('Sec-Fetch-Site', 'same-origin').expect(200);
    await post('https://rport.example.com').expect(200);
    await post('https://pairing.example.com').expect(200);
    await request(server).post('/').send(DEPOSIT).expect(200);
  });
});
