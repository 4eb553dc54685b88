import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const START_DEADLINE_MS = 30_000;

export type Service = {
  /** Without a trailing slash. */
  url: string;
  pid: number;
  /** What the service has written to stdout and stderr so far. */
  log: () => string;
  /** Its exit code. */
  ended: Promise<number | null>;
  /** Ends it by SIGTERM; resolves with its exit code. */
  stop: () => Promise<number | null>;
};

export type DepositFields = { connect_url: string; fingerprint: string; client_id: string; password: string };

export type DepositAnswer = {
  pairing_code: string;
  url: string;
  expires: string;
  installers: { linux: string; windows: string };
};

/** A deposit without anything remarkable; the connect URL has no server. */
export const PLAIN_DEPOSIT: DepositFields = {
  connect_url: 'http://127.0.0.1:9',
  fingerprint: '2a:c8:1c:5e:7f:00:11:22:33:44:55:66:77:88:99:aa',
  client_id: 'client-auth-1',
  password: 'Tr0ub4dor-and-3',
};

/**
 * Runs the service (`program` with node) on a free port of 127.0.0.1 and waits until it listens. `wrapper` is a command
 * to run it with, which must keep its process id.
 */
export async function startService(
  env: Record<string, string> = {},
  program = 'src/server.ts',
  wrapper: readonly string[] = [],
): Promise<Service> {
  const port = await freePort();
  const url = `${env.TLS_CERT === undefined ? 'http' : 'https'}://127.0.0.1:${port}`;
  const [command = '', ...args] = [...wrapper, process.execPath, program];
  const child = spawn(command, args, {
    cwd: ROOT,
    env: { PATH: process.env.PATH, HOST: '127.0.0.1', PORT: String(port), PUBLIC_URL: url, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      log += text;
    });
  }
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  await until(
    () => log.includes('listening on '),
    child,
    () => log,
    START_DEADLINE_MS,
  );
  return {
    url,
    pid: child.pid ?? 0,
    log: () => log,
    ended,
    stop: () => {
      child.kill('SIGTERM');
      return ended;
    },
  };
}

/** Deposits credentials; fields that are not given are those of PLAIN_DEPOSIT. */
export async function deposit(
  service: Pick<Service, 'url'>,
  fields: Partial<DepositFields> & { uses?: number } = {},
): Promise<DepositAnswer> {
  const response = await fetch(`${service.url}/`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...PLAIN_DEPOSIT, ...fields }),
  });
  if (!response.ok) throw new Error(`deposit refused: ${response.status} ${await response.text()}`);
  return (await response.json()) as DepositAnswer;
}

/** Waits until the service at `url`, run by `child`, answers. Throws with its log when it ends or takes too long. */
export async function untilAnswers(
  url: string,
  child: ChildProcess,
  log: () => string,
  patience = START_DEADLINE_MS,
): Promise<void> {
  const answers = () =>
    fetch(`${url}/healthz`).then(
      (response) => response.ok,
      () => false,
    );
  await until(answers, child, log, patience);
}

async function until(
  isUp: () => boolean | Promise<boolean>,
  child: ChildProcess,
  log: () => string,
  patience: number,
): Promise<void> {
  const deadline = Date.now() + patience;
  while (!(await isUp())) {
    if (child.exitCode !== null) throw new Error(`the service ended with ${child.exitCode}:\n${log()}`);
    if (Date.now() > deadline) {
      child.kill('SIGKILL');
      throw new Error(`the service does not answer:\n${log()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** A port of 127.0.0.1 that nothing listens on. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
