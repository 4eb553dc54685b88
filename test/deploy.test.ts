import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse as parseToml } from 'smol-toml';
import { expect, test } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { describeWith } from './support/requirements.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');

describeWith(['systemd-analyze'], 'the systemd unit', () => {
  test('is taken by systemd without a word, and is exposed to less than 1.5 of 10', () => {
    const directory = mkdtempSync(join(tmpdir(), 'unit-'));
    const unit = join(directory, 'rport-pairing.service');
    // The program must exist for the check.
    writeFileSync(unit, read('deploy/rport-pairing.service').replace('/usr/bin/node', process.execPath));
    expect(spawnSync('systemd-analyze', ['verify', unit], { encoding: 'utf8' })).toMatchObject({
      status: 0,
      stdout: '',
      stderr: '',
    });
    const security = execFileSync('systemd-analyze', ['security', '--offline=true', '--threshold=15', unit]);
    expect(String(security)).toContain('Overall exposure level');
    rmSync(directory, { recursive: true });
  });
});

describeWith(['caddy'], 'the Caddyfile', () => {
  test('is valid for Caddy', () => {
    const args = ['validate', '--config', join(ROOT, 'deploy/Caddyfile'), '--adapter', 'caddyfile'];
    expect(spawnSync('caddy', args, { encoding: 'utf8' })).toMatchObject({ status: 0 });
  });
});

test('fly.toml keeps one machine running, by HTTPS only, tells clients apart, and checks what the service answers', () => {
  expect(parseToml(read('fly.toml'))).toMatchObject({
    env: { TRUST_PROXY: '2' },
    http_service: {
      internal_port: 8080,
      force_https: true,
      auto_stop_machines: 'off',
      min_machines_running: 1,
      checks: [{ path: '/readyz' }],
    },
    metrics: { port: 8080, path: '/metrics' },
  });
});

test('the compose file takes every right away', () => {
  expect(parseYaml(read('deploy/compose.yaml'))).toMatchObject({
    services: { pairing: { read_only: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] } },
  });
});

test('the workflow runs the whole proof on Linux, and the Windows tests in both PowerShells', () => {
  const { jobs } = parseYaml(read('.github/workflows/ci.yaml'));
  expect(jobs.linux.steps).toContainEqual({ run: '.ci/run' });
  expect(jobs.windows['runs-on']).toBe('windows-latest');
  expect(jobs.windows.steps).toContainEqual({ run: 'npx vitest run test/installers/windows-shell.test.ts' });
});
