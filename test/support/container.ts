import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { baseRoot, finished, type Result } from './root.ts';

/** A Debian machine with systemd, booted in a container; it shares the host's network. */
export interface Container {
  /** Runs shell text in it. */
  sh: (text: string) => Promise<Result>;
  /** Restarts it as `reboot` does; its files stay. */
  reboot: () => Promise<void>;
  destroy: () => Promise<void>;
}

const BOOT_DEADLINE_MS = 120_000;
const ENVIRONMENT = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root' };

/** Boots a copy of the base root, in some ten seconds. */
export async function bootContainer(): Promise<Container> {
  const base = baseRoot();
  const directory = mkdtempSync(join(tmpdir(), 'rport-container-'));
  for (const name of ['upper', 'work', 'root']) mkdirSync(join(directory, name));
  let machine = await boot(base, directory);
  const sh: Container['sh'] = (text) =>
    finished(
      spawn('nsenter', [`--target=${machine.pid}`, '--all', 'sh', '-c', text], { env: ENVIRONMENT, stdio: 'pipe' }),
    );
  return {
    sh,
    async reboot() {
      const ended = new Promise((resolve) => machine.process.once('exit', resolve));
      await sh('systemctl reboot');
      await ended;
      machine = await boot(base, directory);
    },
    async destroy() {
      const ended = new Promise((resolve) => machine.process.once('exit', resolve));
      await sh('systemctl poweroff --force --force');
      await ended;
      rmSync(directory, { recursive: true, force: true, maxRetries: 10 });
    },
  };
}

async function boot(base: string, directory: string): Promise<{ process: ChildProcess; pid: number }> {
  const script = `
    set -e
    mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$2/root"
    exec systemd-nspawn --quiet --keep-unit --register=no --directory="$2/root" --machine="$3" --boot`;
  const name = directory.replace(/.*rport-/, '').toLowerCase();
  const nspawn = spawn(
    'unshare',
    ['--mount', '--propagation=private', 'sh', '-c', script, 'sh', base, directory, name],
    {
      env: ENVIRONMENT,
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let output = '';
  for (const stream of [nspawn.stdout, nspawn.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const deadline = Date.now() + BOOT_DEADLINE_MS;
  while (Date.now() < deadline && nspawn.exitCode === null) {
    const pid = firstProcess(nspawn);
    if (pid !== undefined && (await isUp(pid))) return { process: nspawn, pid };
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  nspawn.kill('SIGKILL');
  throw new Error(`the container did not boot:\n${output}`);
}

/** The container's systemd: the first child of systemd-nspawn. */
function firstProcess(nspawn: ChildProcess): number | undefined {
  const children = readFileSync(`/proc/${nspawn.pid}/task/${nspawn.pid}/children`, 'utf8').trim();
  return children === '' ? undefined : Number(children.split(' ')[0]);
}

async function isUp(pid: number): Promise<boolean> {
  const command = ['--all', 'systemctl', 'is-system-running'];
  const { stdout } = await finished(
    spawn('nsenter', [`--target=${pid}`, ...command], { env: ENVIRONMENT, stdio: 'pipe' }),
  );
  return /^(running|degraded)/.test(stdout);
}
