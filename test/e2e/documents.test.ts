import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeWith } from '../support/requirements.ts';
import { createRoot, ROOT_TOOLS, type Root } from '../support/root.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The blocks of shell commands of all documents, as they stand. */
const COMMANDS = globSync(['*.md', 'docs/*.md'], { cwd: ROOT }).flatMap((document) =>
  [...readFileSync(join(ROOT, document), 'utf8').matchAll(/^```sh\n(.*?)^```$/gms)].map(([, text = '']) => text.trim()),
);

/** What has a suite or a step of its own: starting from a checkout, the tests and checks themselves. */
const ELSEWHERE = /^npm ci && npm (start|test|run check)$/;

/** In a network of its own, port 8080 is free, and nothing but the service is reached. Runs the rest of its arguments. */
const WITH_SERVICE = `
  ip link set lo up
  "$1" "$2" >/dev/null &
  service=$!
  trap 'kill "$service"' EXIT
  until curl -s -o /dev/null http://localhost:8080/healthz; do sleep 0.1; kill -0 "$service" || exit 1; done
  shift 2
  "$@"`;

describeWith([...ROOT_TOOLS, 'ip', 'curl'], 'the commands of the documents', () => {
  const commands = COMMANDS.filter((command) => !ELSEWHERE.test(command));
  let root: Root;
  beforeAll(async () => {
    root = await createRoot();
  });
  afterAll(() => root.destroy());

  test('are found', () => expect(commands.length).toBeGreaterThanOrEqual(4));

  test.each(commands)('work as they stand, with the service on its default port: %s', async (command) => {
    const service = [process.execPath, join(ROOT, 'src/server.ts')];
    const under = ['unshare', '--net', 'sh', '-c', WITH_SERVICE, 'sh', ...service];
    const { code, stdout, stderr } = await root.run(['sh', '-c', command], { under });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).not.toBe('');
  });
});
