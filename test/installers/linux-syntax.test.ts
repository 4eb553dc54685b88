import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readConfig } from '../../src/config.ts';
import { createRender } from '../../src/render.ts';
import { describeWith } from '../support/requirements.ts';

const DEPOSIT = {
  connectUrl: 'https://rport.example.com:8080/',
  fingerprint: '2a:c8:71:09:80:ba:7c:60:05:e5:2c:99:6d:75:56:24',
  clientId: "o'client",
  password: 'p"a\\ss\u201cword',
};
const SYNTAX_CHECKS = {
  dash: ['dash', '-n'],
  bash: ['bash', '--posix', '-n'],
  'busybox ash': ['busybox', 'ash', '-n'],
  mksh: ['mksh', '-n'],
  ksh93: ['ksh93', '-n'],
  yash: ['yash', '-n'],
  zsh: ['zsh', '--emulate', 'sh', '-n'],
};
const TOOLS = ['shellcheck', 'shfmt', ...Object.values(SYNTAX_CHECKS).map(([shell]) => shell ?? '')];

describeWith(TOOLS, 'each rendered sh script', () => {
  const render = createRender(readConfig({}));
  const scripts = {
    installer: render.installer('sh', DEPOSIT, { x: true, a: 'deploy', g: ['New York'] }),
    uninstaller: render.installer('sh', undefined, { u: true }),
    error: render.error('sh', "This pairing code isn't known."),
  };
  const names = Object.keys(scripts) as (keyof typeof scripts)[];
  let directory = '';
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'rport-syntax-'));
    for (const name of names) writeFileSync(join(directory, name), scripts[name]);
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  function run(command: readonly string[], name: string) {
    const [program = '', ...args] = command;
    const { status, stdout, stderr } = spawnSync(program, [...args, join(directory, name)], { encoding: 'utf8' });
    return { status, output: stdout + stderr };
  }
  const clean = { status: 0, output: '' };

  test.each(names)('is clean by shellcheck: %s', (name) => {
    expect(run(['shellcheck', '--shell=sh', '--norc'], name)).toEqual(clean);
  });

  test.each(names)('is formatted by shfmt: %s', (name) => {
    expect(run(['shfmt', '--diff', '--language-dialect=posix'], name)).toEqual(clean);
  });

  test.each(names)('is pure ASCII: %s', (name) => {
    expect(scripts[name]).toMatch(/^[\n\t -~]*$/);
  });

  test.each(
    names.flatMap((name) => Object.entries(SYNTAX_CHECKS).map(([shell, check]) => [name, shell, check] as const)),
  )('parses: %s in %s', (name, _, check) => {
    // ksh93 adds hints on its own dialect, and has no option against that.
    expect(run(check, name).status).toBe(0);
  });

  test('is no larger than 24 KB', () => {
    console.log(`rendered sh installer: ${scripts.installer.length} bytes`);
    expect(scripts.installer.length).toBeLessThanOrEqual(24 * 1024);
  });
});
