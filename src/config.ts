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

const environment = z
  .object({
    /** Address to listen on. */
    HOST: z.string().default('127.0.0.1'),
    PORT: wholeNumber(1, 65_535).default(8080),
    /** What stands in front of the code in a pairing URL. */
    PUBLIC_URL: webUrl().optional(),
    /** Seconds. */
    DEPOSIT_TTL: wholeNumber(1, 86_400).default(600),
    MAX_DEPOSITS: wholeNumber(1, 1_000_000).default(100_000),
    RPORT_RELEASES_URL: webUrl().default('https://github.com/openrport/openrport/releases'),
    RPORT_VERSION: z
      .string()
      .regex(/^[0-9A-Za-z][0-9A-Za-z.+-]*$/, 'must be a version such as 0.9.14, or latest')
      .default('0.9.14'),
    TACOSCRIPT_RELEASES_URL: webUrl().default('https://github.com/realvnc-labs/tacoscript/releases'),
  })
  .transform((env) => ({
    host: env.HOST,
    port: env.PORT,
    publicUrl: env.PUBLIC_URL ?? `http://localhost:${env.PORT}`,
    depositTtl: env.DEPOSIT_TTL,
    maxDeposits: env.MAX_DEPOSITS,
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
