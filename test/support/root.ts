import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What `describeWith` has to ask for where a suite uses throw-away roots. */
export const ROOT_TOOLS = ['root', 'debootstrap', 'unshare', 'nsenter', 'flock'];

/** The seven shells, each as the command that takes `-s -- FLAGS` and a script on its standard input. */
export const SHELLS = {
  dash: ['dash'],
  bash: ['bash'],
  busybox: ['busybox', 'ash'],
  mksh: ['mksh'],
  ksh93: ['ksh93'],
  yash: ['yash'],
  zsh: ['zsh', '--emulate', 'sh'],
} as const;
export type Shell = keyof typeof SHELLS;
export const SHELL_NAMES = Object.keys(SHELLS) as Shell[];

const PACKAGES = [
  ...['systemd', 'systemd-sysv', 'dbus', 'openrc', 'tini'],
  ...['curl', 'wget', 'busybox', 'ca-certificates', 'openssl', 'perl', 'sudo', 'iproute2', 'procps'],
  ...['mksh', 'ksh93u+m', 'yash', 'zsh'],
];
const CACHE = fileURLToPath(new URL('../../node_modules/.cache/', import.meta.url));
const BASE = join(CACHE, `bookworm-${createHash('sha256').update(PACKAGES.join()).digest('hex').slice(0, 8)}`);

/** A minimal Debian, made once and only read after that; returns its directory. */
export function baseRoot(): string {
  mkdirSync(CACHE, { recursive: true });
  const make = `
    set -e
    [ ! -d "$1" ] || exit 0
    rm -rf "$1.new"
    debootstrap --variant=minbase --include=${PACKAGES.join(',')} bookworm "$1.new" >&2
    rm -rf "$1.new/var/cache/apt/archives" "$1.new/var/lib/apt/lists"
    # Each of its containers gets an id of its own; a root that is not booted keeps this one.
    echo 0123456789abcdef0123456789abcdef >"$1.new/etc/machine-id"
    # They ask OpenRC for what only a machine that boots by it has.
    rm -f "$1.new"/etc/init.d/hwclock.sh "$1.new"/etc/init.d/procps "$1.new"/etc/runlevels/*/hwclock.sh "$1.new"/etc/runlevels/*/procps
    mv "$1.new" "$1"`;
  const { status, stderr } = spawnSync('flock', [`${BASE}.lock`, 'sh', '-c', make, 'sh', BASE], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`debootstrap failed:\n${stderr}`);
  return BASE;
}

/** `openrc` runs services by OpenRC, `init` is a machine with neither systemd nor OpenRC, `none` has no services. */
export type ServiceManager = 'openrc' | 'init' | 'none';

export interface Result {
  code: number | null;
  stdout: string;
  stderr: string;
}

interface RunOptions {
  /** Standard input. */
  input?: string;
  env?: Record<string, string>;
  /** Host programs to run it under, such as strace. */
  under?: readonly string[];
}

/** What differs from the base root: path → what is there now. */
type Snapshot = ReadonlyMap<string, { change: string; content: string }>;

/** A throw-away copy of the base root with processes of its own; it shares the host's network. */
export interface Root {
  /** The root as the host sees it. */
  path: string;
  run: (command: readonly string[], options?: RunOptions) => Promise<Result>;
  /** Runs shell text in it; throws unless it ends with 0. Returns what it printed. */
  sh: (text: string) => Promise<string>;
  /** Runs `script` as `curl … | SHELL -s -- FLAGS` would. */
  install: (script: string, flags?: readonly string[], shell?: Shell, options?: RunOptions) => Promise<Result>;
  /** The state of all files now. */
  snapshot: () => Snapshot;
  /** Every path that is not as it was at `since`, e.g. `+ /etc/rport directory 755 0:0`; without it, since the start. */
  changes: (since?: Snapshot) => string[];
  destroy: () => Promise<void>;
}

/** Makes a throw-away root, in a tenth of a second once the base exists. */
export async function createRoot(manager: ServiceManager = 'openrc'): Promise<Root> {
  const base = baseRoot();
  const directory = mkdtempSync(join(tmpdir(), 'rport-root-'));
  const upper = join(directory, 'upper');
  for (const name of ['upper', 'work', 'root']) mkdirSync(join(directory, name));
  const init = await boot(base, directory, manager);
  const pid = innermost(init);

  const run: Root['run'] = (command, { input = '', env = {}, under = [] } = {}) => {
    const enter = ['nsenter', `--target=${pid}`, '--mount', '--pid', '--root', '--wd', '--', ...command];
    const [program = '', ...args] = [...under, ...enter];
    return finished(spawn(program, args, { env: { ...ENVIRONMENT, ...env }, stdio: 'pipe' }), input);
  };
  const fresh = differences(base, upper);
  return {
    path: `/proc/${pid}/root`,
    run,
    async sh(text) {
      const { code, stdout, stderr } = await run(['sh', '-euc', text]);
      if (code !== 0) throw new Error(`${text}\nended with ${code}: ${stderr}`);
      return stdout;
    },
    install: (script, flags = [], shell = 'dash', options = {}) =>
      run([...SHELLS[shell], '-s', '--', ...flags], { ...options, input: script }),
    snapshot: () => differences(base, upper),
    changes: (since = fresh) => compare(since, differences(base, upper)),
    async destroy() {
      const ended = new Promise((resolve) => init.once('exit', resolve));
      init.kill('SIGKILL');
      await ended;
      rmSync(directory, { recursive: true, force: true, maxRetries: 10 });
    },
  };
}

const ENVIRONMENT = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root' };

/** Mounts and processes are private to the namespace, so that ending its first process ends all of it. */
async function boot(base: string, directory: string, manager: ServiceManager): Promise<ChildProcess> {
  const script = `
    set -e
    mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$2/root"
    cd "$2/root"
    mount -t proc proc proc
    mount -t sysfs -o ro sysfs sys
    mount -t tmpfs tmpfs run
    mount --rbind /dev dev
    echo "127.0.0.1 localhost $(hostname)" >etc/hosts
    case $3 in
    openrc)
      # What booting by OpenRC leaves behind.
      mkdir run/openrc
      for state in daemons exclusive failed hotplugged inactive options scheduled started starting stopping wasinactive; do
        mkdir "run/openrc/$state"
      done
      echo default >run/openrc/softlevel
      ;;
    *) rm -f usr/sbin/rc-service usr/sbin/rc-update sbin/rc-service sbin/rc-update ;;
    esac
    name=tini
    [ "$3" != init ] || name=init
    ln -sf /usr/bin/tini "run/$name"
    # Said from inside, so that nobody takes the host's root for this one.
    exec chroot . sh -c 'echo ready; exec "/run/$1" -- sleep infinity >/dev/null' sh "$name"`;
  const flags = ['--mount', '--pid', '--fork', '--kill-child=SIGKILL', '--propagation=private'];
  const init = spawn('unshare', [...flags, 'sh', '-c', script, 'sh', base, directory, manager], {
    env: ENVIRONMENT,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let complaint = '';
  init.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint += text;
  });
  await new Promise<void>((resolve, reject) => {
    init.stdout.once('data', () => resolve());
    init.once('exit', (code) => reject(new Error(`the root did not start (${code}): ${complaint}`)));
  });
  return init;
}

/** The process that `unshare` has made the first of its namespace. */
function innermost(init: ChildProcess): number {
  return Number(readFileSync(`/proc/${init.pid}/task/${init.pid}/children`, 'utf8').trim().split(' ')[0]);
}

/** Feeds a process its input and waits for its end. */
export function finished(child: ChildProcess, input = ''): Promise<Result> {
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  // A program that ends before it has read all is no error of the test.
  child.stdin?.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
  child.stdin?.end(input);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
}

/** Back-ups that the account tools make at each change, and caches of OpenRC and of the loader. */
const BOOKKEEPING = /^\/etc\/(passwd|group|shadow|gshadow|subuid|subgid)-$|^\/etc\/\.pwd\.lock$/;

/** What differs between the base and the upper layer of an overlay on it. */
function differences(base: string, upper: string): Snapshot {
  const found = new Map<string, { change: string; content: string }>();
  const visit = (directory: string) => {
    for (const name of readdirSync(join(upper, directory))) {
      const path = join(directory, name);
      if (BOOKKEEPING.test(path)) continue;
      const now = inspect(join(upper, path));
      const before = inspect(join(base, path));
      if (!now) {
        if (before) found.set(path, { change: `- ${path}`, content: '' });
        continue;
      }
      if (!before || before.kind !== now.kind || before.content !== now.content) {
        found.set(path, { change: `${before ? '~' : '+'} ${path} ${now.kind}`, content: now.content });
      }
      if (now.kind.startsWith('directory')) visit(path);
    }
  };
  visit('/');
  return found;
}

/** Undefined when there is nothing, or the mark of an overlay for a deleted path: a character device 0/0. */
function inspect(path: string): { kind: string; content: string } | undefined {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (!stats || (stats.isCharacterDevice() && stats.rdev === 0)) return undefined;
  if (stats.isSymbolicLink()) return { kind: `link to ${readlinkSync(path)}`, content: '' };
  const attributes = `${(stats.mode & 0o7777).toString(8)} ${stats.uid}:${stats.gid}`;
  if (stats.isDirectory()) return { kind: `directory ${attributes}`, content: '' };
  return { kind: `file ${attributes}`, content: stats.isFile() ? readFileSync(path, 'latin1') : '' };
}

function compare(before: Snapshot, now: Snapshot): string[] {
  const changes: string[] = [];
  for (const [path, { change, content }] of now) {
    const old = before.get(path);
    if (!old) changes.push(change);
    else if (old.change !== change || old.content !== content) changes.push(change.replace(/^./, '~'));
  }
  for (const path of before.keys()) if (!now.has(path)) changes.push(`- ${path}`);
  return changes.sort();
}
