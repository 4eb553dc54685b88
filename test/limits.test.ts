import request from 'supertest';
import { describe, expect, test } from 'vitest';
import { clientAddress } from '../src/client-address.ts';
import { createRateLimit } from '../src/limits.ts';
import { DEPOSIT, startApp } from './support/app.ts';

describe('a rate limit', () => {
  test('lets so many actions a minute through, then says how many seconds to wait', () => {
    let now = 0;
    const limit = createRateLimit(2, () => now);
    expect([limit('a'), limit('a')]).toEqual([0, 0]);
    now = 20_500;
    expect(limit('a')).toBe(40);
    now = 60_000;
    expect(limit('a')).toBe(0);
  });

  test('counts each address by itself', () => {
    const limit = createRateLimit(1, () => 0);
    expect([limit('a'), limit('b'), limit('a')]).toEqual([0, 0, 60]);
  });

  test('keeps a bounded number of addresses, and still limits those', () => {
    const limit = createRateLimit(1, () => 0);
    for (let i = 0; i < 200_000; i += 1) expect(limit(String(i))).toBe(0);
    expect(limit('0')).toBe(60);
    expect(limit('199999')).toBe(0);
  });
});

describe('the client address', () => {
  test.each([
    ['is that of the connection', '192.0.2.1', '', 0, '192.0.2.1'],
    ['is not what X-Forwarded-For says without a trusted proxy', '192.0.2.1', '203.0.113.9', 0, '192.0.2.1'],
    ['is the last entry behind one proxy', '10.0.0.1', '203.0.113.9, 198.51.100.7', 1, '198.51.100.7'],
    ['is the last but one behind two', '10.0.0.1', '6.6.6.6, 203.0.113.9, 198.51.100.7', 2, '203.0.113.9'],
    ['is the first entry when there are fewer than proxies', '10.0.0.1', '203.0.113.9', 3, '203.0.113.9'],
    ['is the proxy when the entry is no address', '10.0.0.1', 'unknown', 1, '10.0.0.1'],
    ['is without port', '10.0.0.1', '203.0.113.9:4711', 1, '203.0.113.9'],
    ['is an IPv4 address, written as IPv6 or not', '::ffff:192.0.2.1', '', 0, '192.0.2.1'],
    ['is the /64 of an IPv6 address', '2001:db8:0:1:2:3:4:5', '', 0, '2001:db8:0:1::/64'],
    ['is without brackets and port', '10.0.0.1', '[2001:db8::1]:4711', 1, '2001:db8:0:0::/64'],
  ])('%s', (_, remote, forwardedFor, proxies, expected) => {
    expect(clientAddress(remote, forwardedFor, proxies)).toBe(expected);
  });
});

describe('the service', () => {
  test('refuses deposits beyond the limit with 429 and Retry-After, and takes them again a minute later', async () => {
    const { server, pass } = startApp({ env: { DEPOSITS_PER_MINUTE: '2' } });
    await request(server).post('/').send(DEPOSIT).expect(200);
    await request(server).post('/').send(DEPOSIT).expect(200);
    const { headers, body } = await request(server).post('/').send(DEPOSIT).expect(429);
    expect(headers['retry-after']).toBe('60');
    expect(body).toMatchObject({ status: 429, title: 'Too Many Requests' });
    pass(60);
    await request(server).post('/').send(DEPOSIT).expect(200);
  });

  test('limits failed look-ups, and still hands out known codes to the same address', async () => {
    const { server } = startApp({ env: { MISSES_PER_MINUTE: '2' } });
    const { body } = await request(server).post('/').send(DEPOSIT);
    await request(server).get('/22222222222a').expect(404);
    await request(server).delete('/22222222222a').expect(404);
    for (const path of ['/22222222222a', '/22222222222a.ps1', '/22222222222a.json']) {
      const { headers } = await request(server).get(path).expect(429);
      expect(headers['retry-after']).toBe('60');
    }
    for (let i = 0; i < 5; i += 1) await request(server).get(`/${body.pairing_code}`).expect(200);
  });

  test('counts a code that is used up as unknown', async () => {
    const { server } = startApp({ env: { MISSES_PER_MINUTE: '1' } });
    const { body } = await request(server)
      .post('/')
      .send({ ...DEPOSIT, uses: 1 });
    await request(server).get(`/${body.pairing_code}`).expect(200);
    expect((await request(server).get(`/${body.pairing_code}`).expect(404)).text).toContain('as often as it may be');
    await request(server).get(`/${body.pairing_code}`).expect(429);
  });

  test('counts the failed look-ups of each client by itself', async () => {
    const { server } = startApp({ env: { MISSES_PER_MINUTE: '1', TRUST_PROXY: '1' } });
    const miss = (address: string) => request(server).get('/22222222222a').set('X-Forwarded-For', address);
    await miss('203.0.113.1').expect(404);
    await miss('203.0.113.1').expect(429);
    await miss('203.0.113.2').expect(404);
  });

  test('takes a new X-Forwarded-For for a new client only behind a trusted proxy', async () => {
    for (const [trusted, status] of [
      ['0', 429],
      ['1', 200],
    ] as const) {
      const { server } = startApp({ env: { DEPOSITS_PER_MINUTE: '1', TRUST_PROXY: trusted } });
      await request(server).post('/').set('X-Forwarded-For', '203.0.113.1').send(DEPOSIT).expect(200);
      await request(server).post('/').set('X-Forwarded-For', '203.0.113.2').send(DEPOSIT).expect(status);
    }
  });
});
