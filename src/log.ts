import pino from 'pino';

/** What is known of a request once it is answered: nothing that could hold a code, a credential or an address. */
export interface AnsweredRequest {
  id: string;
  method: string;
  /** The pattern, such as `/:name`; the path is a secret. */
  route: string;
  status: number;
  seconds: number;
}

export interface Log {
  request(request: AnsweredRequest): void;
  /** An error nobody expected: where it happened, but not its message, which may quote a credential. */
  unexpected(error: unknown): void;
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
  /** Calls `done` once everything is written, or cannot be. Nothing may be logged after that. */
  close(done: () => void): void;
}

/** Lines wait this long at most, so that many can be written at once. Milliseconds. */
const DELAY = 100;

/** When nobody reads the output, lines beyond this many bytes are dropped: a log must not stop the service. */
const MAX_BUFFERED = 1024 * 1024;

/** Who does not read the last lines in this time does not get them. Milliseconds. */
const CLOSE_DEADLINE = 500;

/** A JSON line for each event, on stdout. */
export function createLog(): Log {
  const destination = pino.destination({
    // Node makes a pipe non-blocking when it is asked for it. A blocked write would keep the process from ending.
    dest: process.stdout.fd,
    sync: false,
    minLength: 4096,
    maxLength: MAX_BUFFERED,
    periodicFlush: DELAY,
  });
  // Such as a full disk. The lines are tried again with the next ones, and the service goes on without.
  destination.on('error', () => {});
  // Pino calls it when the process exits, and it tries for ever to write what cannot be written.
  destination.flushSync = () => {};
  const logger = pino(
    { base: null, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: (level) => ({ level }) } },
    destination,
  );
  return {
    request: ({ seconds, ...request }) => logger.info({ ...request, ms: Math.round(seconds * 1e6) / 1e3 }, 'request'),
    unexpected: (error) => logger.error({ type: typeName(error), stack: frames(error) }, 'unexpected error'),
    info: (message) => logger.info(message),
    warn: (message) => logger.warn(message),
    error: (message) => logger.error(message),
    close(done) {
      const deadline = setTimeout(done, CLOSE_DEADLINE);
      destination.flush(() => {
        clearTimeout(deadline);
        done();
      });
    },
  };
}

function typeName(error: unknown): string {
  return error instanceof Error ? error.constructor.name : typeof error;
}

/** The lines after the message. */
function frames(error: unknown): string[] {
  if (!(error instanceof Error) || !error.stack) return [];
  const end = error.stack.indexOf(error.message) + error.message.length;
  return error.stack
    .slice(end)
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line.startsWith('at '));
}
