import request from 'supertest';
import { describe, expect, test } from 'vitest';
import { DEPOSIT, startApp } from './support/app.ts';

const BROWSER = { 'User-Agent': 'Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0', Accept: 'text/html,*/*;q=0.8' };
const ON_WINDOWS = { ...BROWSER, 'User-Agent': 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) Firefox/140.0' };

async function pairing(env: Record<string, string> = {}) {
  const { server } = startApp({ env });
  const { body } = await request(server).post('/').send(DEPOSIT).expect(200);
  return { server, code: body.pairing_code as string };
}

test('a browser gets the form at /, anything else the usage text', async () => {
  const { server } = startApp();
  const form = await request(server)
    .get('/')
    .set(BROWSER)
    .expect('Content-Type', /^text\/html/);
  expect(form.text).toContain('<form id="deposit"');
  await request(server)
    .get('/')
    .expect('Content-Type', /^text\/plain/);
});

test('a form sent by a browser leads to the page of the pairing, so that loading that again deposits nothing', async () => {
  const { server } = startApp();
  const { headers } = await request(server).post('/').set(BROWSER).type('form').send(DEPOSIT).expect(303);
  const { text } = await request(server).get(String(headers.location)).set(BROWSER).expect(200);
  expect(text).toContain(`https://pairing.example.com${headers.location}`);
});

test('a browser whose deposit is refused gets a page that names the fields, and none of their values', async () => {
  const send = request(startApp().server).post('/').set(BROWSER).type('form');
  const { text } = await send.send({ ...DEPOSIT, fingerprint: 'hunter2' }).expect(400);
  expect(text).toContain('<code>fingerprint</code> must be 16 pairs');
  expect(text).not.toContain('hunter2');
});

test('an empty number of uses in a form is none', async () => {
  const { server } = startApp();
  const { body } = await request(server)
    .post('/')
    .type('form')
    .send({ ...DEPOSIT, uses: '' })
    .expect(200);
  const status = await request(server).get(`/${body.pairing_code}.json`).expect(200);
  expect(status.body).not.toHaveProperty('uses');
});

test('the tab of the system that the browser runs on is open', async () => {
  const { server, code } = await pairing();
  const selected = async (headers: Record<string, string>) => {
    const { text } = await request(server).get(`/${code}`).set(headers);
    return /id="(\w+)"[^>]*\schecked>/.exec(text)?.[1];
  };
  expect(await selected(BROWSER)).toBe('linux');
  expect(await selected(ON_WINDOWS)).toBe('windows');
});

test('the page refers to its files and itself under the path of PUBLIC_URL', async () => {
  const { server, code } = await pairing({ PUBLIC_URL: 'https://example.com/pairing' });
  const { text } = await request(server).get(`/${code}`).set(BROWSER);
  expect(text).toContain('href="/pairing/page.css"');
  expect(text).toContain('href="/pairing/"');
  expect(text).toContain(`data-status="/pairing/${code}.json"`);
});

describe('every page', () => {
  test.each([
    ['the form', '/', 200],
    ['a pairing', '/{code}?x&g=%3Cb%3E', 400],
    ['a pairing', '/{code}?x&a=deploy', 200],
    ['an unknown code', '/22222222222a', 404],
    ['nothing', '/no/such/address', 404],
  ])('has a strict policy, no inline code and the headers of every answer: %s', async (_, path, status) => {
    const { server, code } = await pairing();
    const { text, headers } = await request(server).get(path.replace('{code}', code)).set(BROWSER).expect(status);
    expect(headers['content-type']).toMatch(/^text\/html; charset=utf-8$/i);
    expect(headers['content-security-policy']).toMatch(/^default-src 'none'; /);
    expect(headers['content-security-policy']).not.toContain('unsafe');
    expect(headers['cache-control']).toBe('no-store');
    expect(text).not.toMatch(/<style|style=|<script(?![^>]*\bsrc=)|\bon\w+=/);
    expect(text).not.toContain('undefined');
  });

  test.each([
    ['/page.css', /^text\/css/],
    ['/page.js', /^text\/javascript/],
    ['/icon.svg', /^image\/svg\+xml$/],
  ])('finds %s', async (path, type) => {
    await request(startApp().server).get(path).expect(200).expect('Content-Type', type);
  });
});
