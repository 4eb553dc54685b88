import { BadRequest, type FieldProblem } from './errors.ts';

export type Dialect = 'sh' | 'ps1';

const SWITCHES = ['f', 't', 'x', 's', 'r', 'b', 'i', 'd'] as const;
export type Switch = (typeof SWITCHES)[number];

/** Flags baked into an installer as its defaults. `u` makes it an uninstaller and cannot be asked for by a query. */
export type Flags = { [letter in Switch | 'u']?: true } & { a?: string; g?: string[] };

/** One account name, as the sh installer takes it on the command line. */
export const ACCOUNT = {
  // In lower case: ALL, and any name in upper case, is an alias to sudo.
  sh: /^[a-z_][a-z0-9_.-]{0,31}$/,
  ps1: /^[A-Za-z0-9_.$-]+( [A-Za-z0-9_.$-]+)*(\\[A-Za-z0-9_.$-]+( [A-Za-z0-9_.$-]+)*)?$/,
} as const;
const MAX_ACCOUNT_LENGTH = 104;
export const TAG = /^[A-Za-z0-9][A-Za-z0-9 ._:@/+-]{0,63}$/;

/**
 * Reads the flags to bake in from a query such as `?x&s&a=deploy`. Throws BadRequest naming each flag that cannot be
 * baked in or whose value is outside its pattern.
 */
export function readFlags(query: URLSearchParams, dialect: Dialect): Flags {
  const flags: Flags = {};
  const problems: FieldProblem[] = [];
  const refuse = (field: string, problem: string) => problems.push({ field, problem });

  for (const letter of new Set(query.keys())) {
    const values = query.getAll(letter);
    if (isSwitch(letter)) {
      if (values.every((value) => value === '')) flags[letter] = true;
      else refuse(letter, 'takes no value');
    } else if (letter === 'a') {
      const [account = ''] = values;
      if (values.length === 1 && account.length <= MAX_ACCOUNT_LENGTH && ACCOUNT[dialect].test(account))
        flags.a = account;
      else refuse(letter, 'takes one account name');
    } else if (letter === 'g') {
      if (values.every((value) => TAG.test(value))) flags.g = values;
      else refuse(letter, 'takes a tag of 1 to 64 letters, digits, spaces and . _ : @ / + -');
    } else if (!problems.some(({ field }) => field === 'query')) {
      // Once for all; the name itself is the caller's text, and is not repeated.
      refuse('query', `only the flags ${[...SWITCHES, 'a', 'g'].join(' ')} can be baked in`);
    }
  }
  if (problems.length > 0) {
    const reasons = problems.map(({ field, problem }) => `${field}: ${problem}`).join('; ');
    throw new BadRequest(`The query of this address was refused (${reasons}).`, problems);
  }
  return flags;
}

function isSwitch(letter: string): letter is Switch {
  return (SWITCHES as readonly string[]).includes(letter);
}
