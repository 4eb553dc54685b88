import { parseArgs } from 'node:util';
import { describeConfig } from './config.ts';
import { version } from './version.ts';

/** The command line holds something the service does not take. */
export class UsageError extends Error {}

/** What `args` ask to print instead of starting the service; undefined when there are none. Throws UsageError. */
export function answerArguments(args: string[]): string | undefined {
  const { help, version: versionAsked } = parse(args);
  if (help) return helpText();
  if (versionAsked) return `rport-pairing ${version}`;
  return undefined;
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      options: { help: { type: 'boolean', short: 'h' }, version: { type: 'boolean', short: 'v' } },
    }).values;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new UsageError('There are no arguments besides --help and --version: configure by environment variables.');
  }
}

function helpText(): string {
  const variables = describeConfig().map(
    ({ name, fallback, meaning }) => `  ${name}${fallback && `=${fallback}`}\n      ${meaning}`,
  );
  return `Usage: rport-pairing [--help | --version]

Pairs machines with an RPort server: takes client credentials, hands out a one-line installer for ten minutes,
forgets them.

It is configured by environment variables; an empty one counts as unset. With their defaults:

${variables.join('\n')}

Exit codes: 0 stopped by a signal, 1 wrong configuration or cannot listen, 2 wrong usage.`;
}
