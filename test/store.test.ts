import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test, vi } from 'vitest';
import type { Deposit } from '../src/deposit.ts';
import { createMemoryStore, type DepositStore } from '../src/store.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const DEPOSIT = { connectUrl: 'https://rport.example.com/', fingerprint: '', clientId: 'client-1', password: 'secret' };

test('never gives two deposits the same code', () => {
  const store = createMemoryStore(600, 10_000);
  const codes = Array.from({ length: 10_000 }, () => store.put(DEPOSIT).code);
  expect(new Set(codes).size).toBe(codes.length);
});

test('drops an expired deposit by itself, without being asked for it', async () => {
  const store = createMemoryStore(1, 10);
  const deposit = putFresh(store);
  await vi.waitFor(
    () => {
      collectGarbage();
      // A boolean: the error of a failed comparison would keep the deposit alive.
      expect(deposit.deref() === undefined).toBe(true);
    },
    { timeout: 10_000, interval: 100 },
  );
  expect(store.status('')).toBeUndefined();
});

function putFresh(store: DepositStore): WeakRef<Deposit> {
  const deposit = { ...DEPOSIT };
  store.put(deposit);
  return new WeakRef(deposit);
}

test('counts retrievals, not looks', () => {
  const store = createMemoryStore(600, 10);
  const { code } = store.put(DEPOSIT);
  store.peek(code);
  store.retrieve(code);
  expect(store.status(code)?.retrievals).toBe(1);
});
