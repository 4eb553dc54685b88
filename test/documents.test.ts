import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { describeConfig } from '../src/config.ts';
import { describeWith } from './support/requirements.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const DOCUMENTS = [
  'README.md',
  'CHANGELOG.md',
  ...readdirSync(join(ROOT, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');

/** The blocks of shell commands of all documents, as they stand. */
const COMMANDS = DOCUMENTS.flatMap((document) =>
  [...read(document).matchAll(/^```sh\n(.*?)^```$/gms)].map(([, text = '']) => text.trim()),
);

test.each(DOCUMENTS)('%s links to files that exist', (document) => {
  const links = [...read(document).matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)|(?:src|srcset)="([^":]+)"/g)];
  for (const [, link = '', image = ''] of links) {
    expect(existsSync(join(ROOT, dirname(document), link || image)), link || image).toBe(true);
  }
});

test('the table of the README names every variable that is read, and no other', () => {
  const [, table = ''] = /## Configuration\n(.*?)\n## /s.exec(read('README.md')) ?? [];
  const names = [...table.matchAll(/^\| `([A-Z_]+)`/gm)].map(([, name]) => name);
  expect(names.sort()).toEqual(
    describeConfig()
      .map(({ name }) => name)
      .sort(),
  );
});

test('the house in the guide for contributors has every file of src', () => {
  const guide = read('docs/contributing.md');
  for (const file of readdirSync(join(ROOT, 'src'))) expect(guide, file).toContain(`\`src/${file}\``);
});

/** What has a suite or a step of its own: starting from a checkout, the checks themselves, what changes a machine. */
const ELSEWHERE = [/^npm ci && npm (start|run check)$/, /\/uninstall \| sudo sh$/];

describeWith(['root', 'unshare', 'ip', 'curl'], 'the commands of the documents', () => {
  const here = COMMANDS.filter((command) => !ELSEWHERE.some((pattern) => pattern.test(command)));

  test('are found', () => expect(here.length).toBeGreaterThanOrEqual(3));

  // A network of its own: port 8080 is free there, and nothing else is reached.
  describe('work as they stand, with the service on its default port:', () => {
    test.each(here)('%s', (command) => {
      const script = `
        set -e
        ip link set lo up
        "$0" src/server.ts >/dev/null &
        service=$!
        trap 'kill "$service"' EXIT
        until curl -s -o /dev/null http://localhost:8080/healthz; do sleep 0.1; kill -0 "$service"; done
        ${command}\n`;
      const { status, stdout, stderr } = spawnSync('unshare', ['--net', 'sh', '-c', script, process.execPath], {
        cwd: ROOT,
        env: { PATH: process.env.PATH },
        encoding: 'utf8',
      });
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      expect(stdout).not.toBe('');
    });
  });
});
