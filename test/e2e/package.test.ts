import { execFileSync, spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeWith } from '../support/requirements.ts';
import { deposit, freePort, PLAIN_DEPOSIT, startService, untilAnswers } from '../support/service.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

describeWith(['npm', 'curl'], 'the packed package, installed elsewhere', () => {
  let directory: string;

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'package-'));
    execFileSync('npm', ['pack', '--loglevel=error', '--pack-destination', directory], { cwd: ROOT });
    const [archive = ''] = readdirSync(directory);
    execFileSync('npm', [
      'install',
      '--loglevel=error',
      '--prefix',
      directory,
      '--prefer-offline',
      join(directory, archive),
    ]);
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  const program = () => join(directory, 'node_modules/.bin/rport-pairing');

  test('holds the compiled service and its templates, and nothing else', () => {
    const files = execFileSync('tar', ['-tzf', readdirSync(directory).find((name) => name.endsWith('.tgz')) ?? ''], {
      cwd: directory,
      encoding: 'utf8',
    });
    const folders = files.split('\n').map((file) => file.split('/')[1]);
    expect([...new Set(folders)].filter(Boolean).sort()).toEqual([
      'LICENSE',
      'README.md',
      'dist',
      'package.json',
      'templates',
    ]);
    expect(files).not.toMatch(/(?<!\.d)\.ts$/m);
  });

  test('answers --version', () => {
    expect(execFileSync(process.execPath, [program(), '--version'], { encoding: 'utf8' })).toMatch(/^rport-pairing \d/);
  });

  test('pairs', async () => {
    const service = await startService({}, program());
    const { url } = await deposit(service);
    const installer = execFileSync('curl', ['-sSf', url], { encoding: 'utf8' });
    expect(installer).toContain(`:${PLAIN_DEPOSIT.password}"'`);
    expect(execFileSync('sh', ['-s', '--', '-h'], { input: installer, encoding: 'utf8' })).toContain('-x');
    expect((await fetch(url, { headers: { Accept: 'text/html' } })).status).toBe(200);
    expect(await service.stop()).toBe(0);
  });
});

describeWith(['npm'], 'the first command of the README', () => {
  test('starts the service from a fresh checkout', async () => {
    const [, command = ''] = /```sh\n(.*?)\n```/s.exec(readFileSync(join(ROOT, 'README.md'), 'utf8')) ?? [];
    const checkout = mkdtempSync(join(tmpdir(), 'checkout-'));
    for (const name of ['package.json', 'package-lock.json', 'src', 'templates']) {
      cpSync(join(ROOT, name), join(checkout, name), { recursive: true });
    }
    const port = await freePort();
    const env = { ...process.env, PORT: String(port) };
    const child = spawn('sh', ['-c', command], { cwd: checkout, env, detached: true });
    let log = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (log += text));
    const ended = new Promise((resolve) => child.once('close', resolve));
    await untilAnswers(`http://127.0.0.1:${port}`, child, () => log, 240_000);
    // Shell, npm and service are one process group.
    process.kill(-(child.pid ?? 0), 'SIGTERM');
    await ended;
    rmSync(checkout, { recursive: true, force: true });
  }, 300_000);
});
