import { execFileSync, spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeWith } from '../support/requirements.ts';
import { deposit, freePort, untilAnswers } from '../support/service.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const BASE_IMAGE = 'docker.io/library/node:26-bookworm-slim';
const BUILD_TIMEOUT_MS = 600_000;

interface ImageConfig {
  User: string;
  Env: string[];
  WorkingDir: string;
  Cmd: string[];
  Healthcheck: { Test: string[] };
}

/**
 * The Dockerfile is built as it is, by buildah. The base image comes from no registry: Debian by debootstrap, with the
 * Node of this project and an account `node`, under the name the Dockerfile asks for.
 */
describeWith(['root', 'debootstrap', 'buildah', 'unshare', 'strace', 'npm'], 'the image', () => {
  let directory: string;
  let image: string;
  let config: ImageConfig;

  function buildah(...args: string[]): string {
    const storage = ['--root', join(directory, 'store'), '--runroot', join(directory, 'run')];
    return execFileSync('buildah', [...storage, '--storage-driver', 'overlay', ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    }).trim();
  }

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'image-'));
    const base = join(directory, 'base');
    makeBaseRoot(base);
    const container = buildah('from', 'scratch');
    buildah('copy', '-q', container, base, '/');
    buildah('config', '--env', 'NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt', container);
    buildah('commit', '-q', container, BASE_IMAGE);
    const how = ['--isolation', 'chroot', '--pull-never', '--format', 'docker'];
    buildah('build', ...how, '-t', 'rport-pairing', '-f', join(ROOT, 'Dockerfile'), ROOT);
    config = JSON.parse(buildah('inspect', '--type', 'image', 'rport-pairing')).Docker.config;
    image = buildah('mount', buildah('from', '--pull-never', 'rport-pairing'));
  }, BUILD_TIMEOUT_MS);

  afterAll(() => {
    buildah('umount', '--all');
    buildah('rm', '--all');
    rmSync(directory, { recursive: true, force: true });
  });

  /** The command line that runs `command` in the image: its account, its environment, a read-only root, no capability. */
  function inImage(command: string[], env: string[], log: string): string[] {
    const script = `
      set -e
      image=$1 user=$2 directory=$3 log=$4
      shift 4
      mount --bind "$image" "$image"
      mount -t proc -o ro proc "$image/proc"
      mount -o remount,bind,ro "$image"
      exec strace -f -qq -o "$log" -e trace=%file chroot "--userspec=$user" "$image" env -i -C "$directory" "$@"`;
    const values = [image, config.User, config.WorkingDir, log];
    return ['--mount', 'sh', '-c', script, 'sh', ...values, ...config.Env, ...env, ...command];
  }

  test('has an account without rights and nothing of what only development needs', () => {
    expect(config.User).toBe('node');
    const kept = execFileSync('find', [join(image, 'app'), '-maxdepth', '2', '-printf', '%P\n'], { encoding: 'utf8' });
    expect(kept).toContain('node_modules/hono');
    expect(kept).toContain('dist/server.js');
    expect(kept).not.toMatch(/typescript|vitest|biome|\bsrc\b|\btest\b/);
  });

  test('pairs, passes its health check, and opens nothing for writing on a read-only root', async () => {
    const port = await freePort();
    const env = ['HOST=127.0.0.1', `PORT=${port}`];
    const trace = join(directory, 'trace');
    const child = spawn('unshare', inImage(config.Cmd, env, trace), { stdio: ['ignore', 'pipe', 'pipe'] });
    let log = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (log += text));
    const url = `http://127.0.0.1:${port}`;
    await untilAnswers(url, child, () => log);
    const { pairing_code } = await deposit({ url });
    expect(await (await fetch(`${url}/${pairing_code}`)).text()).toMatch(/^#!\/bin\/sh/);
    const [, ...check] = config.Healthcheck.Test;
    execFileSync('unshare', inImage(check, env, join(directory, 'check-trace')));

    const ended = new Promise((resolve) => child.once('exit', resolve));
    process.kill(serviceProcess(child.pid ?? 0), 'SIGTERM');
    expect(await ended).toBe(0);
    const calls = readFileSync(trace, 'utf8').split('\n');
    expect(calls.some((call) => call.includes('/app/dist/server.js'))).toBe(true);
    const writes = calls.filter((call) =>
      /O_WRONLY|O_RDWR|O_CREAT|\b(creat|mkdir|rename|unlink|symlink|mknod)/.test(call),
    );
    expect(writes.filter((call) => !call.includes('"/dev/null"'))).toEqual([]);
  });
});

/** strace's one child: a signal to strace itself would not reach the service. */
function serviceProcess(strace: number): number {
  return Number(readFileSync(`/proc/${strace}/task/${strace}/children`, 'utf8').trim().split(' ')[0]);
}

function makeBaseRoot(base: string): void {
  execFileSync('debootstrap', ['--variant=minbase', '--include=libatomic1,ca-certificates', 'bookworm', base]);
  rmSync(join(base, 'var/cache/apt/archives'), { recursive: true });
  cpSync('/etc/ssl/certs/ca-certificates.crt', join(base, 'etc/ssl/certs/ca-certificates.crt'));
  mkdirSync(join(base, 'usr/local/bin'), { recursive: true });
  cpSync(join(ROOT, 'node_modules/node/bin/node'), join(base, 'usr/local/bin/node'));
  const npm = dirname(dirname(realpathSync(execFileSync('sh', ['-c', 'command -v npm'], { encoding: 'utf8' }).trim())));
  cpSync(npm, join(base, 'usr/local/lib/node_modules/npm'), { recursive: true, dereference: true });
  for (const name of ['npm', 'npx']) {
    symlinkSync(`../lib/node_modules/npm/bin/${name}-cli.js`, join(base, 'usr/local/bin', name));
  }
  execFileSync('chroot', [base, 'useradd', '--uid', '1000', '--user-group', '--create-home', 'node']);
}
