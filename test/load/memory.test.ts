import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { deposit, PLAIN_DEPOSIT, type Service, startService } from '../support/service.ts';

const UNLIMITED = { DEPOSITS_PER_MINUTE: '999999999', MISSES_PER_MINUTE: '999999999', MAX_DEPOSITS: '200000' };
const PATIENCE = { timeout: 90_000, interval: 500 };

let snapshots: string;
let service: Service;
beforeEach(() => {
  snapshots = mkdtempSync(join(tmpdir(), 'heap-'));
});
afterEach(async () => {
  await service.stop();
  rmSync(snapshots, { recursive: true });
});

/** A service that writes a heap snapshot on SIGUSR2, which also collects all garbage. */
async function startObserved(env: Record<string, string>): Promise<void> {
  const options = `--heapsnapshot-signal=SIGUSR2 --diagnostic-dir=${snapshots}`;
  service = await startService({ ...UNLIMITED, ...env, NODE_OPTIONS: options });
}

async function heapSnapshot(): Promise<string> {
  const known = readdirSync(snapshots).length;
  process.kill(service.pid, 'SIGUSR2');
  let file = '';
  let size = -1;
  await vi.waitFor(() => {
    const files = readdirSync(snapshots).sort();
    expect(files.length).toBeGreaterThan(known);
    file = join(snapshots, files.at(-1) ?? '');
    const before = size;
    size = statSync(file).size;
    expect(size > 0 && size === before).toBe(true);
  }, PATIENCE);
  return readFileSync(file, 'latin1');
}

async function figure(name: string): Promise<number> {
  const text = await (await fetch(`${service.url}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
}

const allExpired = () => vi.waitFor(async () => expect(await figure('pairing_live_deposits')).toBe(0), PATIENCE);

test('no password can be reached in the heap once its deposit has expired, was used up or revoked', async () => {
  await startObserved({ DEPOSIT_TTL: '15' });
  const passwords = Array.from({ length: 20 }, (_, i) => `needle-${i}-in-the-heap`);
  const codes: string[] = [];
  for (const password of passwords) codes.push((await deposit(service, { password })).pairing_code);
  const usedUp = await deposit(service, { password: 'needle-used-up', uses: 1 });
  await fetch(usedUp.url);
  await fetch(`${service.url}/${codes[0]}`);
  await fetch(`${service.url}/${codes[1]}.ps1`);
  await fetch(`${service.url}/${codes[2]}`, { method: 'DELETE' });
  // Otherwise the test could not fail.
  expect(await heapSnapshot()).toContain('needle-3-in-the-heap');
  await allExpired();
  await fetch(`${service.url}/healthz`);
  expect(needles(await heapSnapshot())).toEqual([]);
});

function needles(snapshot: string): string[] {
  return [...new Set(snapshot.match(/needle-[\w-]+/g))];
}

test('memory returns to its base line after every flood of deposits', async () => {
  await startObserved({ DEPOSIT_TTL: '20' });
  const load = { seconds: 5, clients: 16 };
  await flood(load);
  await allExpired();
  await heapSnapshot();
  const base = await figure('nodejs_heap_size_used_bytes');
  for (let round = 0; round < 2; round += 1) {
    await flood({ ...load, seconds: 12 });
    expect(await figure('pairing_live_deposits')).toBeGreaterThan(1000);
    await allExpired();
    await heapSnapshot();
    expect(await figure('nodejs_heap_size_used_bytes')).toBeLessThan(base + 4 * 2 ** 20);
  }
});

/** Deposits, retrievals, misses and broken requests from some clients at once. */
async function flood({ seconds, clients }: { seconds: number; clients: number }): Promise<void> {
  const agent = new Agent({ keepAlive: true });
  const end = performance.now() + seconds * 1000;
  const body = JSON.stringify(PLAIN_DEPOSIT);
  const client = async () => {
    while (performance.now() < end) {
      const { pairing_code } = JSON.parse(await exchange(agent, 'POST', '/', body));
      await exchange(agent, 'GET', `/${pairing_code}`);
      await exchange(agent, 'GET', '/22222222222a');
      await exchange(agent, 'POST', '/', '{"password":');
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  agent.destroy();
}

function exchange(agent: Agent, method: string, path: string, body?: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { 'Content-Type': 'application/json' };
    const outgoing = request(service.url + path, { agent, method, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.once('end', () => resolve(text)).once('error', reject);
    });
    outgoing.once('error', reject).end(body);
  });
}
