import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, get } from 'node:https';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { describeWith } from '../support/requirements.ts';
import { deposit, freePort, PLAIN_DEPOSIT, type Service, startService, untilAnswers } from '../support/service.ts';

const open: Socket[] = [];
afterEach(() => {
  for (const socket of open.splice(0)) socket.destroy();
});

/** A connection that collects what it is sent. */
async function dial(service: Service, ...lines: string[]) {
  const { hostname, port } = new URL(service.url);
  const socket = connect(Number(port), hostname);
  open.push(socket);
  let received = '';
  socket.setEncoding('latin1').on('data', (text: string) => {
    received += text;
  });
  // A reset is one of the ways to be cut off.
  socket.on('error', () => {});
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  await new Promise((resolve) => socket.once('connect', resolve));
  socket.write(lines.join('\r\n'));
  return { socket, closed, received: () => received };
}

const HALF_A_DEPOSIT = ['Host: a', 'Content-Type: application/json', 'Content-Length: 100', '', '{'];

const isServed = async (service: Service) => (await fetch(`${service.url}/healthz`)).status === 200;

describe('slow and broken clients', () => {
  let service: Service;
  beforeEach(async () => {
    service = await startService();
  });
  afterEach(async () => {
    expect(await isServed(service)).toBe(true);
    expect(await service.stop()).toBe(0);
  });

  test('who sends headers by the byte is cut off, and others are served meanwhile', async () => {
    const slow = await dial(service, 'GET / HTTP/1.1', 'Host: a', '');
    const drip = setInterval(() => slow.socket.write('X'), 500);
    expect(await isServed(service)).toBe(true);
    await slow.closed;
    clearInterval(drip);
    expect(slow.received()).toContain(' 408 ');
  });

  test('who sends half a body is cut off, and others are served meanwhile', async () => {
    const half = await dial(
      service,
      'POST / HTTP/1.1',
      'Host: a',
      'Content-Type: application/json',
      'Content-Length: 100',
      '',
      '{"client_id":',
    );
    expect(await isServed(service)).toBe(true);
    await half.closed;
  });

  test('who sends nothing or nothing more is cut off', async () => {
    const silent = await dial(service);
    const idle = await dial(service, 'GET /healthz HTTP/1.1', 'Host: a', '', '');
    await Promise.all([silent.closed, idle.closed]);
    expect(idle.received()).toContain(' 200 ');
  });

  test('thousands of idle connections keep nobody else from being served', async () => {
    await Promise.all(Array.from({ length: 3000 }, () => dial(service)));
    for (let i = 0; i < 20; i += 1) expect(await isServed(service)).toBe(true);
    await deposit(service);
  });

  test('garbage behind a request is answered 400 and ends that connection alone', async () => {
    const bad = await dial(service, 'GET /healthz HTTP/1.1', 'Host: a', '', '');
    await vi.waitFor(() => expect(bad.received()).toContain(' 200 '));
    bad.socket.write('\0\u0001 garbage\r\n\r\n');
    await bad.closed;
    expect(bad.received()).toContain(' 400 ');
  });

  test.each([
    ['a header of 64 KiB', ['GET / HTTP/1.1', 'Host: a', `X-Long: ${'x'.repeat(65_536)}`, '', ''], ' 431 '],
    ['an address of 64 KiB', [`GET /${'x'.repeat(65_536)} HTTP/1.1`, 'Host: a', '', ''], ' 431 '],
    [
      'both length and chunks',
      ['POST / HTTP/1.1', 'Host: a', 'Content-Length: 5', 'Transfer-Encoding: chunked', '', '0', '', ''],
      ' 400 ',
    ],
    ['no host', ['GET / HTTP/1.1', '', ''], ' 400 '],
  ])('%s is refused', async (_, lines, status) => {
    const bad = await dial(service, ...lines);
    await bad.closed;
    expect(bad.received()).toContain(status);
  });

  test('a body of 10 MiB is refused with 413', async () => {
    const size = 10 * 1024 * 1024;
    const big = await dial(
      service,
      'POST / HTTP/1.1',
      'Host: a',
      'Content-Type: application/json',
      `Content-Length: ${size}`,
      '',
      '',
    );
    big.socket.write(Buffer.alloc(size, '['));
    await vi.waitFor(() => expect(big.received()).toContain(' 413 '), { timeout: 10_000 });
  });

  test('who does not read the answer is cut off', async () => {
    const { pairing_code } = await deposit(service);
    const deaf = await dial(service);
    deaf.socket.pause();
    for (let i = 0; i < 2000; i += 1) deaf.socket.write(`GET /${pairing_code} HTTP/1.1\r\nHost: a\r\n\r\n`);
    expect(await isServed(service)).toBe(true);
    await vi.waitFor(
      () => {
        deaf.socket.write('X');
        expect(deaf.socket.destroyed).toBe(true);
      },
      { timeout: 90_000, interval: 1000 },
    );
  });
});

describe('shutdown', () => {
  test('finishes the running answer, closes idle connections and exits 0, whoever hangs', async () => {
    const service = await startService();
    const idle = await dial(service, 'GET /healthz HTTP/1.1', 'Host: a', '', '');
    const hanging = await dial(service, 'POST / HTTP/1.1', ...HALF_A_DEPOSIT);
    const body = JSON.stringify(PLAIN_DEPOSIT);
    const running = await dial(
      service,
      'POST / HTTP/1.1',
      'Host: a',
      'Content-Type: application/json',
      `Content-Length: ${body.length}`,
      '',
      body.slice(0, 20),
    );
    await vi.waitFor(() => expect(idle.received()).toContain(' 200 '));
    expect(await isServed(service)).toBe(true);
    const code = service.stop();
    await idle.closed;
    running.socket.write(body.slice(20));
    await running.closed;
    expect(running.received()).toContain('pairing_code');
    expect(await code).toBe(0);
    await hanging.closed;
  });

  test('ends at once on a second signal', async () => {
    const service = await startService();
    await dial(service, 'POST / HTTP/1.1', ...HALF_A_DEPOSIT);
    // Answered after that half was read.
    expect(await isServed(service)).toBe(true);
    const code = service.stop();
    await vi.waitFor(() => expect(fetch(service.url)).rejects.toThrow());
    process.kill(service.pid, 'SIGTERM');
    expect(await code).toBe(1);
  });
});

describe('a log that cannot be written', () => {
  let running: ChildProcess;
  let url: string;

  /** Runs the service by a shell command in which "$@" is the service. */
  async function start(command: string) {
    const port = String(await freePort());
    url = `http://127.0.0.1:${port}`;
    running = spawn('sh', ['-c', command, 'sh', process.execPath, 'src/server.ts'], {
      env: { ...process.env, PORT: port },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await untilAnswers(url, running, () => '');
  }
  afterEach(() => running.kill('SIGKILL'));

  test.each([
    ['a full disk', 'exec "$@" >/dev/full'],
    ['a closed output', 'exec "$@" >&-'],
    ['a reader that reads nothing', 'p=$(mktemp -u); mkfifo $p; sleep 20 <$p & exec 3>$p; rm $p; exec "$@" >&3'],
  ])('keeps nobody from being served and the service not from stopping: %s', async (_, command) => {
    await start(command);
    // More than a pipe holds.
    for (let i = 0; i < 600; i += 1) await fetch(`${url}/healthz`);
    const ended = new Promise((resolve) => running.once('exit', resolve));
    running.kill('SIGTERM');
    expect(await ended).toBe(0);
  });
});

describeWith(['script'], 'on a terminal', () => {
  test('the service ends when that is closed', async () => {
    const port = String(await freePort());
    const terminal = spawn('script', ['-qec', `exec ${process.execPath} src/server.ts`, '/dev/null'], {
      env: { ...process.env, PORT: port },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    await untilAnswers(`http://127.0.0.1:${port}`, terminal, () => '');
    terminal.kill('SIGKILL');
    await vi.waitFor(() => expect(fetch(`http://127.0.0.1:${port}`)).rejects.toThrow(), { timeout: 10_000 });
  });
});

describe('the process', () => {
  test('refuses to start with more deposits than its memory can hold, and says how many fit', async () => {
    const start = startService({ MAX_DEPOSITS: '1000000', NODE_OPTIONS: '--max-old-space-size=256' });
    await expect(start).rejects.toThrow(/ended with 1:\nMAX_DEPOSITS: 1000000 may take 3\d{3} MB .* at most \d+, or/);
  });

  test('holds as many of the largest deposits as it says will fit', async () => {
    const NODE_OPTIONS = '--max-old-space-size=256';
    const refusal = await startService({ MAX_DEPOSITS: '1000000', NODE_OPTIONS }).catch(String);
    const fitting = /at most (\d+),/.exec(String(refusal))?.[1] ?? '';
    const fill = `
      import { createMemoryStore } from './src/store.ts';
      const store = createMemoryStore(600, ${fitting});
      for (let i = 0; i < ${fitting}; i += 1) {
        const wide = String(i).padEnd(100, '0').replaceAll('0', '\u{1f600}');
        const connectUrl = ('http://a/?' + i).padEnd(2048, '\\\\');
        store.put({ connectUrl, fingerprint: '${PLAIN_DEPOSIT.fingerprint}', clientId: wide, password: wide });
      }
      console.log(store.size());`;
    const args = ['--input-type=module', '--eval', fill];
    expect(
      execFileSync(process.execPath, args, { env: { ...process.env, NODE_OPTIONS } })
        .toString()
        .trim(),
    ).toBe(fitting);
  });

  test('warns of a public address that is neither HTTPS nor local', async () => {
    const service = await startService({ PUBLIC_URL: 'http://pairing.example.com' });
    await service.stop();
    expect(service.log()).toContain('PUBLIC_URL is not HTTPS');
  });

  test('warns of a public address that is local, when it listens to others', async () => {
    const service = await startService({ HOST: '0.0.0.0' });
    await service.stop();
    expect(service.log()).toContain('PUBLIC_URL is the address of this machine alone');
  });

  test('ends on an unhandled rejection, and its log holds no value of it', async () => {
    const reject = "setTimeout(() => Promise.reject(new Error('hunter' + 2)), 1500)";
    const service = await startService({ NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(reject)}` });
    expect(await service.ended).toBe(1);
    expect(service.log()).toContain('unexpected error');
    expect(service.log()).not.toContain('hunter2');
  });

  test('opens no inspector on SIGUSR1', async () => {
    const service = await startService();
    process.kill(service.pid, 'SIGUSR1');
    await vi.waitFor(() => expect(service.log()).toContain('the inspector is disabled'), { timeout: 10_000 });
    expect(service.log()).not.toContain('Debugger listening');
    await service.stop();
  });

  test('writes JSON lines without code, credential or address', async () => {
    const service = await startService();
    const { pairing_code, url } = await deposit(service);
    await fetch(`${url}?x`);
    await fetch(`${url}.json`);
    await service.stop();
    const lines = service
      .log()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines).toContainEqual(expect.objectContaining({ method: 'GET', route: '/:name', status: 200 }));
    for (const secret of [pairing_code, ...Object.values(PLAIN_DEPOSIT)]) expect(service.log()).not.toContain(secret);
  });
});

describeWith(['prlimit'], 'core dumps', () => {
  test('are off', async () => {
    const service = await startService();
    expect(readFileSync(`/proc/${service.pid}/limits`, 'utf8')).toMatch(/^Max core file size +0 +0 /m);
    await service.stop();
  });
});

describeWith(['strace'], 'the disk', () => {
  test('is never written to', async () => {
    const service = await startService({}, undefined, [
      'strace',
      '-D',
      '-f',
      '-qq',
      '-e',
      'trace=openat,creat,mkdir,rename,unlink',
    ]);
    const { url } = await deposit(service);
    await fetch(url);
    await service.stop();
    const writes = service
      .log()
      .split('\n')
      .filter((line) => /O_WRONLY|O_RDWR|O_CREAT|creat\(|mkdir\(|rename\(/.test(line));
    expect(writes.filter((line) => !line.includes('"/dev/'))).toEqual([]);
  });
});

describeWith(['root', 'setpriv', 'unshare'], 'a read-only system without privileges', () => {
  test('is all the service needs', async () => {
    const inside =
      'mount --make-rprivate / && mount --bind / / && mount -o remount,bind,ro / && exec setpriv --reuid=65534 --regid=65534 --clear-groups --bounding-set=-all --no-new-privs "$@"';
    const service = await startService({}, undefined, ['unshare', '--mount', 'sh', '-c', inside, 'sh']);
    expect((await fetch((await deposit(service)).url)).status).toBe(200);
    await service.stop();
  });
});

describeWith(['openssl'], 'HTTPS', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'tls-'));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  const cert = () => join(directory, 'cert.pem');
  const key = () => join(directory, 'key.pem');

  function issue(name: string): void {
    execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:prime256v1',
        '-nodes',
        '-days',
        '1',
        '-subj',
        `/CN=${name}`,
        '-keyout',
        key(),
        '-out',
        cert(),
      ],
      { stdio: 'ignore' },
    );
  }

  function ask(
    service: Service,
    agent: Agent,
  ): Promise<{ status: number | undefined; name: string | string[] | undefined }> {
    return new Promise((resolve, reject) => {
      get(`${service.url}/healthz`, { agent }, (response) => {
        const socket = response.socket as TLSSocket;
        const name = socket.getPeerCertificate().subject.CN;
        response.resume().once('end', () => resolve({ status: response.statusCode, name }));
      }).once('error', reject);
    });
  }

  test('is served directly, and SIGHUP renews the certificate without dropping a connection', async () => {
    issue('old.example');
    const service = await startService({ TLS_CERT: cert(), TLS_KEY: key() });
    const insecure = { rejectUnauthorized: false };
    const kept = new Agent({ ...insecure, keepAlive: true, maxSockets: 1 });
    const fresh = new Agent({ ...insecure, maxCachedSessions: 0 });
    expect(await ask(service, kept)).toEqual({ status: 200, name: 'old.example' });
    issue('new.example');
    process.kill(service.pid, 'SIGHUP');
    await vi.waitFor(() => expect(service.log()).toContain('the certificate was read again'), { timeout: 10_000 });
    expect(await ask(service, kept)).toEqual({ status: 200, name: 'old.example' });
    expect(await ask(service, fresh)).toEqual({ status: 200, name: 'new.example' });

    for (const [n, bad] of ['no certificate', ''].entries()) {
      writeFileSync(cert(), bad);
      process.kill(service.pid, 'SIGHUP');
      await vi.waitFor(() => expect(service.log().match(/the old certificate stays/g)).toHaveLength(n + 1), {
        timeout: 10_000,
      });
      expect(await ask(service, fresh)).toEqual({ status: 200, name: 'new.example' });
    }
    kept.destroy();
    expect(await service.stop()).toBe(0);
  });

  test('cuts off who begins no handshake, and stops in spite of him', async () => {
    issue('one.example');
    const service = await startService({ TLS_CERT: cert(), TLS_KEY: key() });
    await (await dial(service)).closed;
    await dial(service);
    expect(await ask(service, new Agent({ rejectUnauthorized: false }))).toMatchObject({ status: 200 });
    const stopping = performance.now();
    expect(await service.stop()).toBe(0);
    // Sooner than it would be cut off.
    expect(performance.now() - stopping).toBeLessThan(9_000);
    // Node by itself gives it two minutes.
  }, 60_000);

  test('does not start with a certificate that cannot be read or does not fit its key', async () => {
    const missing = startService({ TLS_CERT: cert(), TLS_KEY: key() });
    await expect(missing).rejects.toThrow('TLS_CERT: cannot read the file (ENOENT)');
    issue('one.example');
    const first = readFileSync(cert());
    issue('another.example');
    writeFileSync(cert(), first);
    await expect(startService({ TLS_CERT: cert(), TLS_KEY: key() })).rejects.toThrow('TLS_CERT: does not fit TLS_KEY');
  });
});
