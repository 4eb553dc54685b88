import { spawnSync } from 'node:child_process';
import request from 'supertest';
import { describe, expect, test } from 'vitest';
import { DEPOSIT, startApp } from './support/app.ts';

describe('behind a proxy that says the client came by plain HTTP', () => {
  const insecure = { 'X-Forwarded-Proto': 'http' };

  test('a deposit is refused, and nothing is stored', async () => {
    const { server, store } = startApp();
    const { body } = await request(server).post('/').set(insecure).send(DEPOSIT).expect(403);
    expect(body.detail).toContain('plain HTTP');
    expect(store.size()).toBe(0);
  });

  test('a DELETE is refused', async () => {
    const { server, store } = startApp();
    const { body } = await request(server).post('/').send(DEPOSIT);
    await request(server).delete(`/${body.pairing_code}`).set(insecure).expect(403);
    expect(store.size()).toBe(1);
  });

  test('a script URL is redirected to HTTPS, with a script that fails for whoever does not follow', async () => {
    const { server } = startApp();
    const { headers, text } = await request(server).get('/22222222222a?x').set(insecure).expect(308);
    expect(headers.location).toBe('https://pairing.example.com/22222222222a?x');
    expect(spawnSync('sh', { input: text, encoding: 'utf8' })).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('HTTPS only'),
    });
  });

  test('probes are answered as ever', async () => {
    const { server } = startApp();
    for (const path of ['/healthz', '/readyz', '/metrics']) await request(server).get(path).set(insecure).expect(200);
  });

  test('without an https address a deposit is refused all the same, but nothing is redirected', async () => {
    const { server } = startApp({ env: { PUBLIC_URL: 'http://pairing.example.com' } });
    await request(server).post('/').set(insecure).send(DEPOSIT).expect(403);
    const { body } = await request(server).post('/').send(DEPOSIT).expect(200);
    await request(server).get(`/${body.pairing_code}`).set(insecure).expect(200);
  });

  test('nothing changes where the proxy says https', async () => {
    await request(startApp().server).post('/').set('X-Forwarded-Proto', 'https').send(DEPOSIT).expect(200);
  });
});

describe('GET /metrics', () => {
  async function sample(server: ReturnType<typeof startApp>['server'], name: string): Promise<string | undefined> {
    const { text } = await request(server).get('/metrics').expect(200);
    return text
      .split('\n')
      .find((line) => line.startsWith(`${name} `))
      ?.slice(name.length + 1);
  }

  test('counts deposits, retrievals by dialect, misses, refusals by reason and live deposits', async () => {
    const { server } = startApp();
    const { body } = await request(server).post('/').send(DEPOSIT);
    await request(server).post('/').send({});
    await request(server).get(`/${body.pairing_code}`);
    await request(server).get(`/${body.pairing_code}.ps1`);
    await request(server).head(`/${body.pairing_code}`);
    await request(server).get('/22222222222a');
    expect(await sample(server, 'pairing_deposits_total')).toBe('1');
    expect(await sample(server, 'pairing_retrievals_total{dialect="sh"}')).toBe('1');
    expect(await sample(server, 'pairing_retrievals_total{dialect="ps1"}')).toBe('1');
    expect(await sample(server, 'pairing_misses_total')).toBe('1');
    expect(await sample(server, 'pairing_refusals_total{reason="invalid"}')).toBe('1');
    expect(await sample(server, 'pairing_live_deposits')).toBe('1');
    expect(await sample(server, 'process_resident_memory_bytes')).toMatch(/^\d+$/);
    const series = 'pairing_request_duration_seconds_count{method="GET",route="/:name",status="404"}';
    expect(await sample(server, series)).toBe('1');
  });

  test('keeps no series for each method that somebody thinks of', async () => {
    const { server } = startApp();
    for (const method of ['put', 'patch', 'propfind', 'lock'] as const) await request(server)[method]('/').expect(405);
    const { text } = await request(server).get('/metrics');
    expect(text).toContain('method="other",route="/",status="405"');
    expect(text).not.toMatch(/method="(PUT|PATCH|PROPFIND|LOCK)"/);
  });

  test('holds no code', async () => {
    const { server } = startApp();
    const { body } = await request(server).post('/').send(DEPOSIT);
    await request(server).get(`/${body.pairing_code}`);
    expect((await request(server).get('/metrics')).text).not.toContain(body.pairing_code);
  });

  test('asks for the bearer token where there is one', async () => {
    const { server } = startApp({ env: { METRICS_TOKEN: 'open sesame' } });
    const { headers } = await request(server).get('/metrics').expect(401);
    expect(headers['www-authenticate']).toBe('Bearer');
    await request(server).get('/metrics').set('Authorization', 'Bearer open').expect(401);
    await request(server).get('/metrics').set('Authorization', 'Bearer open sesame').expect(200);
  });
});

describe('each answer', () => {
  test('is reported with method, route pattern, status, duration and the id in its header, not with its path', async () => {
    const { server, answers } = startApp();
    const { body } = await request(server).post('/').send(DEPOSIT);
    const { headers } = await request(server).get(`/${body.pairing_code}?x`);
    expect(answers.at(-1)).toEqual({
      id: headers['x-request-id'],
      method: 'GET',
      route: '/:name',
      status: 200,
      seconds: expect.any(Number),
    });
    expect(JSON.stringify(answers)).not.toContain(body.pairing_code);
  });
});

describe('an error nobody expected', () => {
  test('is answered 500 with a script that fails, reported, and the next request is served', async () => {
    const { server, errors, render } = startApp();
    const { body } = await request(server).post('/').send(DEPOSIT);
    const { installer } = render;
    render.installer = () => {
      throw new Error(DEPOSIT.password);
    };
    const { text } = await request(server).get(`/${body.pairing_code}`).expect(500);
    expect(spawnSync('sh', { input: text }).status).toBe(1);
    expect(text).not.toContain(DEPOSIT.password);
    expect(errors).toHaveLength(1);
    render.installer = installer;
    await request(server).get(`/${body.pairing_code}`).expect(200);
  });
});

test('a stopping service takes no deposit, which it would lose, and closes each connection', async () => {
  const { server, store, stop } = startApp();
  stop();
  const { headers } = await request(server).post('/').send(DEPOSIT).expect(503);
  expect(headers.connection).toBe('close');
  expect(store.size()).toBe(0);
});

test('a deposit by a program that calls itself a bot is answered in JSON', async () => {
  const { server } = startApp();
  const { body } = await request(server).post('/').set('User-Agent', 'deploybot/1.0').send(DEPOSIT).expect(200);
  expect(body.pairing_code).toHaveLength(12);
});

test('CONNECT_HOSTS holds for every deposit', async () => {
  const { server } = startApp({ env: { CONNECT_HOSTS: 'rport.example.com' } });
  await request(server).post('/').send(DEPOSIT).expect(200);
  const strange = { ...DEPOSIT, connect_url: 'https://rport.example.org' };
  const { body } = await request(server).post('/').send(strange).expect(400);
  expect(body.errors).toEqual([
    { field: 'connect_url', problem: expect.stringContaining('not one of the RPort servers') },
  ]);
});

test.each([
  ['sh', '', {}, 'text/plain'],
  ['PowerShell', '.ps1', {}, 'text/plain'],
  ['JSON', '', { Accept: 'application/json' }, 'application/problem+json'],
  ['a page', '', { Accept: 'text/html' }, 'text/html'],
])('an error nobody expected is answered in the form that was asked for: %s', async (_, extension, headers, type) => {
  const { server, render, store } = startApp();
  const { body } = await request(server).post('/').send(DEPOSIT);
  store.peek = store.retrieve = () => {
    throw new Error(DEPOSIT.password);
  };
  const answer = await request(server).get(`/${body.pairing_code}${extension}`).set(headers).expect(500);
  expect(answer.type).toBe(type);
  const reason = 'The pairing service failed. Try again, and tell its operator if that does not help.';
  expect(answer.text).toContain(extension === '.ps1' ? render.error('ps1', reason) : reason);
});

test('/readyz fails once the service is stopping', async () => {
  const { server, stop } = startApp();
  await request(server).get('/readyz').expect(200);
  stop();
  await request(server).get('/readyz').expect(503);
  await request(server).get('/healthz').expect(200);
});
