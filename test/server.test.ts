import { spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { describeConfig } from '../src/config.ts';
import { deposit, freePort, PLAIN_DEPOSIT, startService } from './support/service.ts';

const SERVER = fileURLToPath(new URL('../src/server.ts', import.meta.url));

test.each(['SIGTERM', 'SIGINT'] as const)('serves, and stops with exit code 0 on %s', async (signal) => {
  const port = await freePort();
  const child = spawn(process.execPath, [SERVER], { env: { ...process.env, PORT: String(port) } });
  await new Promise((resolve) => child.stdout.once('data', resolve));
  expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).toBe(200);
  child.kill(signal);
  const code = await new Promise((resolve) => child.once('exit', resolve));
  expect(code).toBe(0);
});

test('says which variable is wrong in one line and exits 1', () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [SERVER], {
    env: { ...process.env, PORT: 'http' },
    encoding: 'utf8',
  });
  expect({ status, stdout, stderr }).toEqual({
    status: 1,
    stdout: '',
    stderr: 'PORT: must be a whole number from 1 to 65535\n',
  });
});

test('prints its version and every variable it reads, and starts nothing, when asked', () => {
  const run = (...args: string[]) => spawnSync(process.execPath, [SERVER, ...args], { encoding: 'utf8' });
  expect(run('--version').stdout).toMatch(/^rport-pairing \d+\.\d+\.\d+\n$/);
  const help = run('--help');
  expect(help).toMatchObject({ status: 0, stderr: '' });
  for (const { name } of describeConfig()) expect(help.stdout).toContain(`\n  ${name}`);
});

test('refuses other arguments with exit code 2', () => {
  const { status, stderr } = spawnSync(process.execPath, [SERVER, '--port=1'], { encoding: 'utf8' });
  expect({ status, stderr }).toEqual({ status: 2, stderr: expect.stringContaining('environment variables') });
});

test('says that its port is taken and exits 1', async () => {
  const service = await startService();
  const { port } = new URL(service.url);
  const { status, stderr } = spawnSync(process.execPath, [SERVER], {
    env: { ...process.env, PORT: port },
    encoding: 'utf8',
  });
  await service.stop();
  expect(status).toBe(1);
  expect(stderr).toMatch(/^cannot listen on 127\.0\.0\.1 port \d+: .*EADDRINUSE.*\n$/);
});

test('logs neither code nor credential', async () => {
  const service = await startService();
  const { pairing_code, url } = await deposit(service);
  await fetch(url);
  await fetch(`${url}.json`);
  await fetch(url, { method: 'DELETE' });
  await service.stop();
  for (const secret of [pairing_code, ...Object.values(PLAIN_DEPOSIT)]) expect(service.log()).not.toContain(secret);
});
