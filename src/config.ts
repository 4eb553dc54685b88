import { z } from 'zod';

/** Nothing in these URLs can be taken for syntax by a shell: PUBLIC_URL becomes part of a command that people paste. */
const PLAIN_URL = /^https?:\/\/[A-Za-z0-9.:[\]-]+(\/[A-Za-z0-9._~/-]*)?$/;

function wholeNumber(least: number, most: number) {
  const rule = `must be a whole number from ${least} to ${most}`;
  return z
    .string()
    .regex(/^\d{1,9}$/, rule)
    .transform(Number)
    .refine((value) => value >= least && value <= most, rule);
}

function webUrl() {
  return z
    .string()
    .refine(
      (value) => PLAIN_URL.test(value) && URL.canParse(value),
      'must be an http or https URL without user info, query or fragment',
    )
    .transform((value) => new URL(value).href.replace(/\/+$/, ''));
}

/** `rport.example.com, *.example.org` as a list, each entry changed by `normalise`, which gives undefined for a bad one. */
function list(rule: string, normalise: (entry: string) => string | undefined) {
  return z.string().transform((value, { addIssue }) => {
    const entries = value.split(',').map((entry) => normalise(entry.trim()));
    if (entries.every((entry) => entry !== undefined)) return entries;
    addIssue(rule);
    return z.NEVER;
  });
}

/** Lower-case and punycode, as the URL parser writes the host of a connect URL. */
function hostPattern(entry: string): string | undefined {
  const [, wildcard = '', host = ''] = /^(\*\.)?([^*/?#@\\]+)$/.exec(entry) ?? [];
  const url = URL.parse(`http://${host}/`);
  return url && url.port === '' && url.hostname !== '' && !/:\d*$/.test(host.replace(/\[.*\]/, ''))
    ? `${wildcard}${url.hostname}`
    : undefined;
}

/** `https://rport.example.com`, without the slash: as a browser sends it. */
function webOrigin(entry: string): string | undefined {
  const url = URL.parse(entry);
  return url && /^https?:$/.test(url.protocol) && entry.replace(/\/$/, '').toLowerCase() === url.origin
    ? url.origin
    : undefined;
}

const ORIGINS_RULE = 'must be * or origins such as https://rport.example.com, separated by commas';

const variables = z.object({
  HOST: z.string().default('127.0.0.1').describe('address to listen on'),
  PORT: wholeNumber(1, 65_535).default(8080).describe('port to listen on'),
  PUBLIC_URL: webUrl()
    .optional()
    .describe('what stands in front of the code in a pairing URL; unset: http://localhost:PORT'),
  DEPOSIT_TTL: wholeNumber(1, 86_400)
    .default(600)
    .describe('seconds until a deposit is forgotten; nothing prolongs it'),
  MAX_DEPOSITS: wholeNumber(1, 1_000_000)
    .default(20_000)
    .describe('how many are kept at once; then new ones are refused with 503'),
  DEPOSITS_PER_MINUTE: wholeNumber(1, 999_999_999).default(60).describe('deposits from one client address; then 429'),
  MISSES_PER_MINUTE: wholeNumber(1, 999_999_999)
    .default(60)
    .describe('look-ups of unknown codes from one client address; then 429; known codes are answered all the same'),
  TRUST_PROXY: wholeNumber(0, 100)
    .default(0)
    .describe('how many proxies stand in front: so many entries of X-Forwarded-For are believed'),
  TLS_CERT: z
    .string()
    .optional()
    .describe('file with the certificate chain (PEM), to serve HTTPS; read again on SIGHUP'),
  TLS_KEY: z.string().optional().describe('file with its private key (PEM)'),
  METRICS_TOKEN: z.string().optional().describe('bearer token that GET /metrics asks for; unset: none'),
  CONNECT_HOSTS: list(
    'must be host names such as rport.example.com or *.example.com, without port, separated by commas',
    hostPattern,
  )
    .optional()
    .describe('RPort servers that deposits may be for, such as rport.example.com,*.example.org; unset: any'),
  CORS_ORIGINS: z
    .union([z.literal('*'), list(ORIGINS_RULE, webOrigin)], ORIGINS_RULE)
    .default('*')
    .describe('origins whose pages may deposit from a browser, such as https://rport.example.com'),
  RPORT_VERSION: z
    .string()
    .regex(/^(latest|\d+\.\d+\.\d+[0-9A-Za-z.+-]*)$/, 'must be a version such as 0.9.14, or latest')
    .default('0.9.14')
    .describe('the client to install: a version, or latest for the newest stable one'),
  RPORT_RELEASES_URL: webUrl()
    .default('https://github.com/openrport/openrport/releases')
    .describe('where the client is downloaded from'),
  TACOSCRIPT_RELEASES_URL: webUrl()
    .default('https://github.com/realvnc-labs/tacoscript/releases')
    .describe('where Tacoscript is downloaded from'),
});

const environment = variables
  .refine((env) => (env.TLS_CERT === undefined) === (env.TLS_KEY === undefined), {
    path: ['TLS_CERT'],
    error: 'must be set together with TLS_KEY',
  })
  .transform((env) => ({
    host: env.HOST,
    port: env.PORT,
    publicUrl: env.PUBLIC_URL ?? `${env.TLS_CERT === undefined ? 'http' : 'https'}://localhost:${env.PORT}`,
    depositTtl: env.DEPOSIT_TTL,
    maxDeposits: env.MAX_DEPOSITS,
    depositsPerMinute: env.DEPOSITS_PER_MINUTE,
    missesPerMinute: env.MISSES_PER_MINUTE,
    trustProxy: env.TRUST_PROXY,
    tlsCert: env.TLS_CERT,
    tlsKey: env.TLS_KEY,
    metricsToken: env.METRICS_TOKEN,
    connectHosts: env.CONNECT_HOSTS,
    corsOrigins: env.CORS_ORIGINS,
    rportReleasesUrl: env.RPORT_RELEASES_URL,
    rportVersion: env.RPORT_VERSION,
    tacoscriptReleasesUrl: env.TACOSCRIPT_RELEASES_URL,
  }));

export type Config = z.infer<typeof environment>;

/** The environment holds values the service cannot run with; `message` has one line for each. */
export class ConfigError extends Error {}

/** Reads the configuration. An empty variable counts as unset. Throws ConfigError. */
export function readConfig(env: Record<string, string | undefined>): Config {
  const set = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const result = environment.safeParse(set);
  if (result.success) return result.data;
  throw new ConfigError(result.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('\n'));
}

/** The variables in the order of the documentation, for `--help`. `fallback` is empty where unset means none. */
export function describeConfig(): { name: string; fallback: string; meaning: string }[] {
  return Object.entries(variables.shape).map(([name, schema]) => ({
    name,
    fallback: String(schema.safeParse(undefined).data ?? ''),
    meaning: schema.description ?? '',
  }));
}
