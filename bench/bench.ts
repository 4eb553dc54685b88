/** Measures the service against the least that Node, and Hono, can do with the same bytes, in the same run. See README.md. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
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

const UNKNOWN = '/22222222222a';

/** So that nothing but the machine holds the load back. */
const UNLIMITED = {
  MAX_DEPOSITS: '1000000',
  DEPOSITS_PER_MINUTE: '999999999',
  MISSES_PER_MINUTE: '999999999',
  DEPOSIT_TTL: '3600',
};

const SERVICE = ['dist/server.js'];

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
  const service = await startServer(SERVICE, UNLIMITED);
  const answers = await sampleAnswers(service);
  const bare = await startServer(['bench/bare.ts'], {}, answers);
  const hono = await startServer(['bench/hono.ts'], {}, answers);
  const rows: string[][] = [['', 'requests/s', 'p50 ms', 'p99 ms', 'CPU us/request', 'of bare']];
  const compare = async (name: string, path: { service: string; floor: string }, request: Omit<Target, 'url'>) => {
    const best = await alternate([
      { server: bare, target: { ...request, url: bare.url + path.floor } },
      { server: hono, target: { ...request, url: hono.url + path.floor } },
      { server: service, target: { ...request, url: service.url + path.service } },
    ]);
    const rates = best.map(({ load }) => load.requestsPerSecond);
    for (const [i, server] of ['bare', 'Hono alone', 'service'].entries()) {
      rows.push([`${name}, ${server}`, ...cells(best[i]), i === 0 ? '' : percent(rates[i], rates[0])]);
    }
    return rates.at(-1) ?? Number.NaN;
  };
  const peakRate = await compare('GET installer', { service: answers.path, floor: '/' }, { method: 'GET' });
  await compare('POST deposit', { service: '/', floor: '/' }, { method: 'POST', body: BODY });
  await compare('GET unknown code', { service: UNKNOWN, floor: '/missing' }, { method: 'GET' });
  for (const [name, url] of [
    ['bare', bare.url],
    ['service', service.url + answers.path],
  ] as const) {
    const load = await steady({ url, method: 'GET' }, SECONDS * 2, peakRate / 2);
    rows.push([`GET installer at half of the service's peak, ${name}`, ...figures(load)]);
  }
  print(rows);
  for (const { child } of [service, bare, hono]) child.kill();
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
async function alternate(contenders: { server: Server; target: Target }[]): Promise<Measured[]> {
  const best: Measured[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [i, { server, target }] of contenders.entries()) {
      const before = cpuSeconds(pidOf(server.child));
      const load = await peak(target, SECONDS);
      const cpuPerRequest = (cpuSeconds(pidOf(server.child)) - before) / (load.requestsPerSecond * SECONDS);
      if (load.requestsPerSecond > (best[i]?.load.requestsPerSecond ?? 0)) best[i] = { load, cpuPerRequest };
    }
  }
  return best;
}

async function measureMemory(): Promise<void> {
  const service = await startServer(SERVICE, UNLIMITED);
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

/** Of the compiled package with its default settings, as it runs for an operator; the others in as few lines as they take. */
async function measureStart(): Promise<void> {
  const rows = [['start to first answer', 'best ms', 'median ms']];
  for (const [name, args] of [
    ['bare', ['-e', "require('http').createServer((_, res) => res.end()).listen(process.env.PORT, '127.0.0.1')"]],
    [
      'Hono alone',
      [
        '--input-type=module',
        '-e',
        `import { serve } from '@hono/node-server'; import { Hono } from 'hono';
         serve({ fetch: new Hono().fetch, port: Number(process.env.PORT), hostname: '127.0.0.1' });`,
      ],
    ],
    ['service', SERVICE],
  ] as const) {
    const times: number[] = [];
    for (let i = 0; i < STARTS; i += 1) {
      const began = performance.now();
      const { child } = await startServer([...args]);
      times.push(performance.now() - began);
      child.kill();
      await once(child, 'exit');
    }
    times.sort((a, b) => a - b);
    rows.push([name, ...[times[0], times[STARTS >> 1]].map((time = Number.NaN) => time.toFixed(0))]);
  }
  print(rows);
}

/** Starts a program that listens on PORT, and waits until it answers. `input` is what it reads from stdin, as JSON. */
async function startServer(args: string[], settings: Record<string, string> = {}, input?: object): Promise<Server> {
  const port = await freePort();
  const child = start(args, { ...settings, PORT: String(port) });
  if (input) child.stdin?.end(JSON.stringify(input));
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

/** One answer of each kind, and the path of the installer. */
async function sampleAnswers({ url }: Server) {
  const pairing = await post(url);
  const path = `/${((await pairing.clone().json()) as { pairing_code: string }).pairing_code}`;
  return {
    path,
    pairing: await answerOf(pairing),
    installer: await answerOf(await fetch(url + path)),
    missing: await answerOf(await fetch(url + UNKNOWN)),
  };
}

/** What the service sends, without what Node adds by itself. */
async function answerOf(response: Response): Promise<{ headers: Record<string, string>; body: string }> {
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

function cells(measured: Measured | undefined): string[] {
  if (!measured) throw new Error('ROUNDS must be at least 1');
  return [...figures(measured.load), (measured.cpuPerRequest * 1e6).toFixed(1)];
}

function figures({ requestsPerSecond, p50, p99 }: Load): string[] {
  return [requestsPerSecond.toFixed(0), p50.toFixed(2), p99.toFixed(2)];
}

function percent(rate = Number.NaN, base = Number.NaN): string {
  return `${((rate / base) * 100).toFixed(0)} %`;
}

/** As a Markdown table. */
function print(rows: string[][]): void {
  const [head = [], ...rest] = rows;
  const widths = head.map((_, i) => Math.max(...rows.map((cells) => cells[i]?.length ?? 0)));
  const line = (cells: string[]) => `| ${widths.map((width, i) => (cells[i] ?? '').padEnd(width)).join(' | ')} |`;
  console.log([line(head), line(widths.map((width) => '-'.repeat(width))), ...rest.map(line), ''].join('\n'));
}

await main();
