import type { Config } from './config.ts';
import type { Deposit } from './deposit.ts';
import type { Dialect, Flags } from './flags.ts';
import { psQuote, shQuote, tomlString } from './quote.ts';
import { compileTemplate } from './template.ts';
import { version } from './version.ts';

/** What every installer of this service has in common. */
export type InstallerSettings = Pick<
  Config,
  'publicUrl' | 'rportReleasesUrl' | 'rportVersion' | 'tacoscriptReleasesUrl'
>;

export interface Render {
  /** The installer for a deposit, or without one: good for -u, -v and -h only. Pure ASCII, whatever the deposit. */
  installer(dialect: Dialect, deposit?: Deposit, flags?: Flags): string;
  /** A script that prints the reason to stderr and exits 1. */
  error(dialect: Dialect, reason: string): string;
}

const DIRECTORY = { sh: 'linux', ps1: 'windows' } as const;
const QUOTE = { sh: shQuote, ps1: psQuote } as const;

/** Compiles the templates. Throws when one cannot be read or compiled. */
export function createRender(settings: InstallerSettings): Render {
  const templates = { sh: compile('sh'), ps1: compile('ps1') };
  return {
    installer: (dialect, deposit, flags = {}) =>
      templates[dialect].installer({
        version,
        ...settings,
        ...credentials(deposit),
        ...defaults(flags),
      }),
    error: (dialect, reason) => templates[dialect].error({ reason }),
  };
}

type Values = Record<string, string>;

function compile(dialect: Dialect): { installer: (values: Values) => string; error: (values: Values) => string } {
  const escapeValue = (value: unknown) => insideQuotes(dialect, value);
  const load = (name: string) => compileTemplate<Values>(`${DIRECTORY[dialect]}/${name}.${dialect}`, escapeValue);
  return { installer: load('install'), error: load('error') };
}

/** Every tag of a template stands between single quotes, so that the template is a valid script as it is. */
function insideQuotes(dialect: Dialect, value: unknown): string {
  if (typeof value !== 'string') throw new TypeError('a template names a value that does not exist');
  return QUOTE[dialect](value).slice(1, -1);
}

/** The credentials as TOML values, which the script only prints. */
function credentials(deposit: Deposit | undefined): Values {
  if (!deposit) return { connectUrl: '', serverToml: '', fingerprintToml: '', authToml: '' };
  return {
    connectUrl: deposit.connectUrl,
    serverToml: tomlString(deposit.connectUrl),
    fingerprintToml: tomlString(deposit.fingerprint),
    authToml: tomlString(`${deposit.clientId}:${deposit.password}`),
  };
}

function defaults({ a = '', g = [], ...switches }: Flags): Values {
  return { letters: Object.keys(switches).join(''), account: a, tagsToml: g.map(tomlString).join(', ') };
}
