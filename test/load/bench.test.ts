import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';

const run = promisify(execFile);

/** The tables as rows of cells. */
let rows: string[][];

beforeAll(async () => {
  const { stdout } = await run('npm', ['run', '--silent', 'bench'], {
    cwd: join(import.meta.dirname, '../..'),
    env: { ...process.env, ROUNDS: '1', SECONDS: '1', DEPOSITS: '1000' },
  });
  rows = stdout
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) => line.split('|').map((cell) => cell.trim()));
});

describe('npm run bench', () => {
  it.each([
    ...['GET installer', 'POST deposit', 'GET unknown code'].flatMap((request) =>
      ['bare', 'Hono alone', 'service'].map((server) => [`${request}, ${server}`, 4]),
    ),
    ["GET installer at half of the service's peak, service", 3],
    ['1000', 2],
    ...['bare', 'Hono alone', 'service'].map((server) => [server, 2]),
  ] as [string, number][])('prints figures for: %s', (name, count) => {
    const figures = rows.find(([, first]) => first === name)?.slice(2, 2 + count);
    expect(figures?.map((figure) => Number(figure) > 0)).toEqual(Array(count).fill(true));
  });
});
