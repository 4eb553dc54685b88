import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readDeposit } from '../src/deposit.ts';
import { BadRequest } from '../src/errors.ts';
import { DEPOSIT } from './support/app.ts';

function post(fields: object) {
  return new Request('http://localhost/', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(fields),
  });
}

async function refusedFields(fields: object): Promise<string[]> {
  const error = await readDeposit(post({ ...DEPOSIT, ...fields })).catch((reason: unknown) => reason);
  return error instanceof BadRequest ? error.fields.map(({ field }) => field) : [];
}

describe('a deposit is refused by the name of its field when', () => {
  test.each([
    ['connect_url', 'has no scheme', 'rport.example.com:8080'],
    ['connect_url', 'has another scheme', 'ftp://rport.example.com'],
    ['connect_url', 'runs a script', 'javascript:alert(1)'],
    ['connect_url', 'has no host', 'http://'],
    ['connect_url', 'has a user name', 'http://user@rport.example.com'],
    ['connect_url', 'has a password', 'http://:secret@rport.example.com'],
    ['connect_url', 'has a line break', 'http://rport.example.com/\n'],
    ['connect_url', 'is too long', `http://rport.example.com/${'a'.repeat(2048)}`],
    ['connect_url', 'is too long once encoded', `http://rport.example.com/${'\u{1f600}'.repeat(200)}`],
    ['fingerprint', 'is too short', '00:11'],
    ['fingerprint', 'has too many pairs', `${DEPOSIT.fingerprint}:00`],
    ['fingerprint', 'is not hexadecimal', DEPOSIT.fingerprint.replace('2a', 'zz')],
    ['fingerprint', 'ends in a line break', `${DEPOSIT.fingerprint}\n`],
    ['client_id', 'is empty', ''],
    ['client_id', 'has 2 characters', 'ab'],
    ['client_id', 'has 101 characters', 'a'.repeat(101)],
    ['client_id', 'has a colon', 'a:bc'],
    ['client_id', 'has a NUL', 'abc\0'],
    ['password', 'is empty', ''],
    ['password', 'has 2 characters', '\u{1f600}\u{1f600}'],
    ['password', 'has 101 characters', 'a'.repeat(101)],
    ['password', 'has a line break', 'abc\r\n'],
    ['password', 'has a C1 control character', 'abc\u0085'],
    ['password', 'has half a surrogate pair', 'abc\ud800'],
    ['password', 'is a number', 12345],
    ['password', 'is null', null],
    ['uses', 'is 0', 0],
    ['uses', 'is 1001', 1001],
    ['uses', 'is a fraction', 1.5],
    ['uses', 'is no number', 'many'],
    ['uses', 'is null', null],
  ])('%s %s', async (field, _, value) => {
    expect(await refusedFields({ [field]: value })).toEqual([field]);
  });
});

test.each([
  ['https://rport.example.com:8080', 'https://rport.example.com:8080/'],
  ['HTTPS://RPort.Example.com:443/a b', 'https://rport.example.com/a%20b'],
  ['wss://b\u00fccher.example/', 'wss://xn--bcher-kva.example/'],
  ['ws://[::1]:8080/\u00e4', 'ws://[::1]:8080/%C3%A4'],
])('normalises the connect URL %s to %s', async (uploaded, stored) => {
  expect((await readDeposit(post({ ...DEPOSIT, connect_url: uploaded }))).connectUrl).toBe(stored);
});

test.each([[1], [1000], ['7']])('takes %s as the number of uses', async (uses) => {
  expect((await readDeposit(post({ ...DEPOSIT, uses }))).uses).toBe(Number(uses));
});

describe('with a list of RPort servers, a deposit', () => {
  const hosts = ['rport.example.com', '*.example.org', '[2001:db8::1]'];
  test.each([
    'https://rport.example.com:8080',
    'ws://RPORT.example.com',
    'https://a.example.org',
    'https://a.b.example.org',
    'https://[2001:DB8::1]:8080',
  ])('for %s is taken', async (connect_url) => {
    await expect(readDeposit(post({ ...DEPOSIT, connect_url }), hosts)).resolves.toBeDefined();
  });

  test.each([
    'https://example.com',
    'https://rport.example.com.evil.example',
    'https://evilrport.example.com',
    'https://example.org',
    'https://evilexample.org',
    'https://rport.example.com.',
    'https://evil.example/?.example.org',
    'https://evil.example/#rport.example.com',
  ])('for %s is refused by the name of its field', async (connect_url) => {
    const error = await readDeposit(post({ ...DEPOSIT, connect_url }), hosts).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(BadRequest);
    expect(error).toMatchObject({ fields: [{ field: 'connect_url' }] });
  });
});

test('stores the fingerprint in lower case, as the client compares it', async () => {
  const uploaded = DEPOSIT.fingerprint.toUpperCase();
  expect((await readDeposit(post({ ...DEPOSIT, fingerprint: uploaded }))).fingerprint).toBe(DEPOSIT.fingerprint);
});

test('ignores fields it does not know', async () => {
  expect(Object.keys(await readDeposit(post({ ...DEPOSIT, more: 1 })))).not.toContain('more');
});

test('keeps client id and password of 3 to 100 characters as they are', async () => {
  const text = fc
    .string({ unit: 'grapheme', minLength: 3, maxLength: 40 })
    .filter((value) => !/\p{Cc}/u.test(value) && [...value].length >= 3 && [...value].length <= 100);
  await fc.assert(
    fc.asyncProperty(
      text.filter((value) => !value.includes(':')),
      text,
      async (client_id, password) => {
        const deposit = await readDeposit(post({ ...DEPOSIT, client_id, password }));
        expect(deposit).toMatchObject({ clientId: client_id, password });
      },
    ),
  );
});

test('refuses thousands of equal form fields as quickly as one', async () => {
  const body = 'a&'.repeat(4095);
  const headers = { 'Content-Type': 'application/x-www-form-urlencoded' };
  const before = process.memoryUsage().heapUsed;
  await expect(readDeposit(new Request('http://localhost/', { method: 'POST', headers, body }))).rejects.toThrow(
    BadRequest,
  );
  // Once for each field, its values would be sixteen million.
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(64 * 1024 * 1024);
});
