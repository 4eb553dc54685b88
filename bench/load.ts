import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface Target {
  url: string;
  method: 'GET' | 'POST';
  /** JSON. */
  body?: string;
}

/** Latencies in milliseconds. */
export interface Load {
  requestsPerSecond: number;
  p50: number;
  p99: number;
}

const CONNECTIONS = 32;
const hasWrk = spawnSync('wrk', ['-v']).error === undefined;

/** As much load as one other process makes: wrk where it is installed, else autocannon. */
export function peak(target: Target, seconds: number): Promise<Load> {
  return hasWrk ? wrk(target, seconds) : autocannon(target, ['--duration', String(seconds)]);
}

/** About so much load. Each connection waits a random time before it asks again, since in step they would all queue. */
export function steady(target: Target, seconds: number, requestsPerSecond: number): Promise<Load> {
  const rate = String(Math.round(requestsPerSecond));
  return hasWrk
    ? wrk(target, seconds, [
        `function delay() return math.random(0, math.floor(2 * ${CONNECTIONS * 1000} / ${rate})) end`,
      ])
    : autocannon(target, ['--duration', String(seconds), '--overallRate', rate]);
}

/** So many requests, as fast as they go. */
export function amount(target: Target, requests: number): Promise<Load> {
  return autocannon(target, ['--amount', String(requests)]);
}

async function wrk({ url, method, body }: Target, seconds: number, script: string[] = []): Promise<Load> {
  const file = join(mkdtempSync(join(tmpdir(), 'bench-')), 'request.lua');
  const lua = [`wrk.method = "${method}"`, ...script];
  if (body !== undefined) lua.push(`wrk.body = [[${body}]]`, 'wrk.headers["Content-Type"] = "application/json"');
  // Machine-readable, in microseconds.
  lua.push(
    'function done(summary, latency)',
    '  io.write(string.format("\\nRESULT %f %f %f\\n", summary.requests / summary.duration * 1e6, latency:percentile(50), latency:percentile(99)))',
    'end',
  );
  writeFileSync(file, lua.join('\n'));
  const { stdout } = await run('wrk', ['-t1', `-c${CONNECTIONS}`, `-d${seconds}s`, '-s', file, url]);
  const [, rate, p50, p99] = /^RESULT (\S+) (\S+) (\S+)$/m.exec(stdout) ?? [];
  if (rate === undefined) throw new Error(`wrk printed no result:\n${stdout}`);
  return { requestsPerSecond: Number(rate), p50: Number(p50) / 1000, p99: Number(p99) / 1000 };
}

async function autocannon({ url, method, body }: Target, extent: string[]): Promise<Load> {
  const payload = body === undefined ? [] : ['--body', body, '--headers', 'Content-Type=application/json'];
  const cli = join(import.meta.dirname, '../node_modules/autocannon/autocannon.js');
  const args = [
    cli,
    '--json',
    '--no-progress',
    '--connections',
    String(CONNECTIONS),
    '--method',
    method,
    ...payload,
    ...extent,
    url,
  ];
  const { stdout } = await run(process.execPath, args, { maxBuffer: 2 ** 24 });
  const { requests, latency } = JSON.parse(stdout);
  return { requestsPerSecond: requests.average, p50: latency.p50, p99: latency.p99 };
}

const CLOCK_TICKS_PER_SECOND = 100;

/** Seconds of processor time that a process has used. (proc(5), /proc/pid/stat) */
export function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS_PER_SECOND;
}

/** Bytes of a process in memory. */
export function residentBytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
}
