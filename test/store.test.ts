import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { createMemoryStore } from '../src/store.ts';

const DEPOSIT = { connectUrl: 'https://rport.example.com/', fingerprint: '', clientId: 'client-1', password: 'secret' };

test('never gives two deposits the same code', () => {
  const store = createMemoryStore(600, 10_000);
  const codes = Array.from({ length: 10_000 }, () => store.put(DEPOSIT).code);
  expect(new Set(codes).size).toBe(codes.length);
});

describe('drops an expired deposit by itself, without being asked for it', () => {
  afterEach(() => void vi.useRealTimers());

  test('a second after its time at most, and no live one', () => {
    vi.useFakeTimers();
    const store = createMemoryStore(600, 10);
    store.put(DEPOSIT);
    vi.advanceTimersByTime(300_000);
    store.put(DEPOSIT);
    vi.advanceTimersByTime(300_000);
    expect(store.size()).toBe(2);
    vi.advanceTimersByTime(1000);
    expect(store.size()).toBe(1);
    vi.advanceTimersByTime(300_000);
    expect(store.size()).toBe(0);
    store.put(DEPOSIT);
    vi.advanceTimersByTime(601_000);
    expect(store.size()).toBe(0);
  });

  test('without keeping the process alive', () => {
    const script = `
      import { createMemoryStore } from './src/store.ts';
      createMemoryStore(600, 10).put(${JSON.stringify(DEPOSIT)});
    `;
    const { status } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { timeout: 60_000 });
    expect(status).toBe(0);
  });
});

test('counts retrievals, not looks', () => {
  const store = createMemoryStore(600, 10);
  const { code } = store.put(DEPOSIT);
  store.peek(code);
  store.retrieve(code);
  expect(store.status(code)?.retrievals).toBe(1);
});

test('forgets the credentials with the last use, and keeps the status', () => {
  const store = createMemoryStore(600, 10);
  const { code, expires } = store.put({ ...DEPOSIT, uses: 2 });
  expect([1, 2, 3].map(() => store.retrieve(code)?.password)).toEqual(['secret', 'secret', undefined]);
  expect(store.peek(code)).toBeUndefined();
  expect(store.status(code)).toEqual({ expires, retrievals: 2, uses: 2 });
});

test('gives back what it was given, whatever the characters', () => {
  const store = createMemoryStore(600, 1000);
  const text = fc.string({ unit: 'grapheme' });
  fc.assert(
    fc.property(text, text, (clientId, password) => {
      const deposit = { ...DEPOSIT, clientId, password };
      expect(store.peek(store.put(deposit).code)).toEqual(deposit);
    }),
  );
});
