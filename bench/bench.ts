/** Measures the service against the least that Node can do with the same bytes, in the same run. See README.md. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { amount, cpuSeconds, type Load, peak, residentBytes, steady, type Target } from './load.ts';

const ROUNDS = Number(process.env.ROUNDS ?? 6);
const SECONDS = Number(process.env.SECONDS ?? 4);
const DEPOSITS = (process.env.DEPOSITS ?? '10000,100000,1000000').split(',').map(Number);
const STARTS = 7;

const BODY = JSON.stringify({
  connect_url: 'https://rport.example.com:8080',
  fingerprint: '2a:c8:71:09:80:ba:7c:60:05:e5:2c:99:6d:75:56:24',
  client_id: 'clientAuth1',
  password: 'a-password-of-24-letters',
});

const children: ChildProcess[] = [];

async function main(): Promise<void> {
  try {
    await measureSpeed();
    await measureMemory();
    await measureStart();
  } finally {
    for (const child of children) child.kill('SIGKILL');
  }
}

async function measureSpeed(): Promise<void> {
  const service = await startService();
  const { pairing_code } = (await (await post(service.url)).json()) as { pairing_code: string };
  const paths = { installer: `/${pairing_code}`, missing: '/22222222222a' };
  const bare = await startBare({
    installer: await answerOf(fetch(service.url + paths.installer)),
    missing: await answerOf(fetch(service.url + paths.missing)),
    pairing: await answerOf(post(service.url)),
  });
  const rows: string[][] = [['', 'requests/s', 'p50 ms', 'p99 ms', 'CPU us/request', 'of bare']];
  const compare = async (name: string, ours: Omit<Target, 'url'> & { path: string }, path: string) => {
    const mine = { ...ours, url: service.url + ours.path };
    const [best, floor] = await alternate(
      { ...service, target: mine },
      { ...bare, target: { ...ours, url: bare.url + path } },
    );
    const ratio = best.load.requestsPerSecond / floor.load.requestsPerSecond;
    rows.push(row(`${name}, bare`, floor), [...row(name, best), percent(ratio)]);
    return { mine, best };
  };
  const installer = await compare('GET installer', { method: 'GET', path: paths.installer }, '/');
  await compare('POST deposit', { method: 'POST', path: '/', body: BODY }, '/');
  await compare('GET unknown code', { method: 'GET', path: paths.missing }, '/missing');
  const half = await steady(installer.mine, SECONDS * 2, installer.best.load.requestsPerSecond / 2);
  rows.push(['GET installer at half of the peak', ...figures(half)]);
  print(rows);
  service.child.kill();
  bare.child.kill();
}

interface Server {
  child: ChildProcess;
  url: string;
}

interface Measured {
  load: Load;
  cpuPerRequest: number;
}

/** The best of some rounds for each, taken by turns, since the machine is not the same from one minute to the next. */
async function alternate(...servers: (Server & { target: Target })[]): Promise<[Measured, Measured]> {
  const best: Measured[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [i, { child, target }] of servers.entries()) {
      const before = cpuSeconds(pidOf(child));
      const load = await peak(target, SECONDS);
      const cpuPerRequest = (cpuSeconds(pidOf(child)) - before) / (load.requestsPerSecond * SECONDS);
      if (load.requestsPerSecond > (best[i]?.load.requestsPerSecond ?? 0)) best[i] = { load, cpuPerRequest };
    }
  }
  const [first, second] = best;
  if (!first || !second) throw new Error('ROUNDS must be at least 1');
  return [first, second];
}

async function measureMemory(): Promise<void> {
  const service = await startService();
  const pid = pidOf(service.child);
  await amount({ url: service.url, method: 'GET' }, 10_000);
  const base = residentBytes(pid);
  const rows = [['live deposits', 'RSS MB', 'bytes of RSS a deposit']];
  let live = 0;
  for (const deposits of DEPOSITS) {
    await amount({ url: service.url, method: 'POST', body: BODY }, deposits - live);
    live = Number(/^pairing_live_deposits (\d+)$/m.exec(await (await fetch(`${service.url}/metrics`)).text())?.[1]);
    const bytes = residentBytes(pid);
    rows.push([String(live), (bytes / 2 ** 20).toFixed(0), ((bytes - base) / live).toFixed(0)]);
  }
  print(rows);
  service.child.kill();
}

async function measureStart(): Promise<void> {
  const times: number[] = [];
  for (let i = 0; i < STARTS; i += 1) {
    const began = performance.now();
    const { child } = await startService();
    times.push(performance.now() - began);
    child.kill();
  }
  print([
    ['start to first answer', 'ms'],
    ['best', Math.min(...times).toFixed(0)],
    ['median', (times.sort((a, b) => a - b)[STARTS >> 1] ?? 0).toFixed(0)],
  ]);
}

async function startService(): Promise<Server> {
  const port = await freePort();
  const env = {
    MAX_DEPOSITS: '1000000',
    DEPOSITS_PER_MINUTE: '999999999',
    MISSES_PER_MINUTE: '999999999',
    DEPOSIT_TTL: '3600',
  };
  const child = start(['src/server.ts'], { ...env, PORT: String(port) });
  const url = `http://127.0.0.1:${port}`;
  await answered(url);
  return { child, url };
}

async function startBare(answers: object): Promise<Server> {
  const port = await freePort();
  const child = start(['bench/bare.ts'], {});
  child.stdin?.end(JSON.stringify({ ...answers, port }));
  const url = `http://127.0.0.1:${port}`;
  await answered(url);
  return { child, url };
}

function start(args: string[], env: Record<string, string>): ChildProcess {
  const child = spawn(process.execPath, args, {
    cwd: join(import.meta.dirname, '..'),
    env: { PATH: process.env.PATH, ...env },
    stdio: ['pipe', 'ignore', 'inherit'],
  });
  children.push(child);
  return child;
}

async function answered(url: string): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (
    !(await fetch(url).then(
      () => true,
      () => false,
    ))
  ) {
    if (performance.now() > deadline) throw new Error(`${url} does not answer`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** What the service sends, without what Node adds by itself. */
async function answerOf(pending: Promise<Response>): Promise<{ headers: Record<string, string>; body: string }> {
  const response = await pending;
  const own = [...response.headers].filter(([name]) => !['connection', 'date', 'keep-alive'].includes(name));
  return { headers: Object.fromEntries(own), body: await response.text() };
}

function post(url: string): Promise<Response> {
  return fetch(url, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: BODY });
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

function pidOf(child: ChildProcess): number {
  if (child.pid === undefined) throw new Error('the process did not start');
  return child.pid;
}

function row(name: string, { load, cpuPerRequest }: Measured): string[] {
  return [name, ...figures(load), (cpuPerRequest * 1e6).toFixed(1)];
}

function figures({ requestsPerSecond, p50, p99 }: Load): string[] {
  return [requestsPerSecond.toFixed(0), p50.toFixed(2), p99.toFixed(2)];
}

function percent(ratio: number): string {
  return `${(ratio * 100).toFixed(0)} %`;
}

/** As a Markdown table. */
function print(rows: string[][]): void {
  const [head = [], ...rest] = rows;
  const widths = head.map((_, i) => Math.max(...rows.map((cells) => cells[i]?.length ?? 0)));
  const line = (cells: string[]) => `| ${widths.map((width, i) => (cells[i] ?? '').padEnd(width)).join(' | ')} |`;
  console.log([line(head), line(widths.map((width) => '-'.repeat(width))), ...rest.map(line), ''].join('\n'));
}

await main();
