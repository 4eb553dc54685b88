import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { describeConfig } from '../src/config.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const DOCUMENTS = [
  'README.md',
  'CHANGELOG.md',
  ...readdirSync(join(ROOT, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');

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
