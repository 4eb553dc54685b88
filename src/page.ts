import { readFileSync } from 'node:fs';
import type { Config } from './config.ts';
import { installerCommands, RULES } from './deposit.ts';
import type { ProblemDetail } from './errors.ts';
import { ACCOUNT, type Flags, type Switch, TAG } from './flags.ts';
import { htmlEscape } from './quote.ts';
import type { Status } from './retrieve.ts';
import { compileTemplate } from './template.ts';
import { version } from './version.ts';

/** What a browser gets, as complete HTML documents. */
export interface Pages {
  /** The form for a deposit. */
  form(): string;
  /** The commands of a pairing and how it fares; no credential. `windowsFirst` opens that tab. */
  pairing(code: string, status: Status, flags: Flags, windowsFirst: boolean): string;
  /** A plain page: why something was refused. */
  message(problem: ProblemDetail): string;
}

/** The files the pages refer to, by path. */
export const ASSETS = {
  '/page.css': { type: 'text/css; charset=utf-8', text: readPageFile('page.css') },
  '/page.js': { type: 'text/javascript; charset=utf-8', text: readPageFile('page.js') },
  '/icon.svg': { type: 'image/svg+xml', text: readPageFile('icon.svg') },
};

/** Nothing but the files above; no inline code, no other origin, no frame. (CSP Level 3) */
export const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "style-src 'self'",
  "script-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
].join('; ');

/** Compiles the pages. Throws when a template cannot be read or compiled. */
export function createPages({ publicUrl, depositTtl }: Pick<Config, 'publicUrl' | 'depositTtl'>): Pages {
  /** A path: the page may be looked at under another name than the machines use. */
  const base = new URL(publicUrl).pathname.replace(/\/$/, '');
  const shell = load('shell');
  const form = load('form');
  const pairing = load('pairing');
  const message = load('message');
  const page = (title: string, main: string) => shell({ title, main, base, version });

  return {
    form: () => page('Pair a machine', form({ base, fields: FIELDS, lifetime: duration(depositTtl) })),
    pairing(code, { expires, retrievals, uses }, flags, windowsFirst) {
      const url = `${publicUrl}/${code}`;
      const values = {
        base,
        code,
        url,
        lifetimeSeconds: String(depositTtl),
        expires,
        expiresAt: `${expires.slice(11, 19)} UTC`,
        retrievals: uses === undefined ? times(retrievals) : `${retrievals} of ${times(uses)}`,
        systems: systems(url, flags, windowsFirst),
        switches: SWITCHES.map((flag) => ({ ...flag, on: flags[flag.letter] === true })),
        texts: [
          { ...ACCOUNT_FLAG, value: flags.a ?? '' },
          { ...TAG_FLAG, value: (flags.g ?? []).join(', ') },
        ],
      };
      return page('Connect the machine', pairing(values));
    },
    message: ({ title, detail, errors = [] }) => page(title, message({ base, title, detail, errors })),
  };
}

function load(name: string): (values: object) => string {
  return compileTemplate(`pages/${name}.eta`, escapeHtml);
}

function escapeHtml(value: unknown): string {
  if (typeof value !== 'string') throw new TypeError('a page names a value that does not exist');
  return htmlEscape(value);
}

function readPageFile(name: string): string {
  return readFileSync(new URL(`../templates/pages/${name}`, import.meta.url), 'utf8');
}

/** `10 minutes`, `90 seconds`. */
function duration(seconds: number): string {
  if (seconds % 60 !== 0) return seconds === 1 ? '1 second' : `${seconds} seconds`;
  return seconds === 60 ? '1 minute' : `${seconds / 60} minutes`;
}

function times(count: number): string {
  return count === 0 ? 'not yet' : count === 1 ? '1 time' : `${count} times`;
}

const plainText = { type: 'text', inputmode: 'text', autocomplete: 'off', required: true };

const FIELDS = [
  {
    ...plainText,
    name: 'connect_url',
    label: 'Connect URL',
    hint: 'Where clients reach the RPort server.',
    placeholder: 'https://rport.example.com:8080',
    inputmode: 'url',
  },
  {
    ...plainText,
    name: 'fingerprint',
    label: 'Fingerprint',
    hint: 'Of the key of the RPort server.',
    placeholder: '2a:c8:71:09:80:ba:7c:60:05:e5:2c:99:6d:75:56:24',
  },
  {
    ...plainText,
    name: 'client_id',
    label: 'Client id',
    hint: 'The client auth id: the user name of the credentials.',
    placeholder: 'clientAuth1',
  },
  {
    ...plainText,
    name: 'password',
    label: 'Password',
    hint: 'The password of the credentials.',
    placeholder: '',
    type: 'password',
    autocomplete: 'new-password',
  },
  {
    ...plainText,
    name: 'uses',
    label: 'Number of uses',
    hint: 'How many machines may pick it up. Empty: as many as do until it expires.',
    placeholder: '',
    inputmode: 'numeric',
    required: false,
  },
].map((field) => ({ ...field, ...shownRules(field.name as keyof typeof RULES) }));

/** The rules of a field for the script, and the last of them, which says most, for a browser without it. */
function shownRules(name: keyof typeof RULES) {
  const rules = RULES[name];
  const last = rules.at(-1);
  if (!last) throw new TypeError(`the field ${name} has no rule`);
  return {
    pattern: last.pattern.source,
    title: last.problem,
    rules: JSON.stringify(
      rules.map(({ pattern, problem }) => ({ pattern: pattern.source, flags: pattern.flags, problem })),
    ),
  };
}

const SWITCHES: { letter: Switch; systems: string; meaning: string }[] = [
  { letter: 'x', systems: 'linux windows', meaning: 'let the server run any command and script' },
  { letter: 's', systems: 'linux', meaning: 'sudo without password; with -x, full root' },
  { letter: 'r', systems: 'linux windows', meaning: 'let the server send files' },
  { letter: 'b', systems: 'linux', meaning: 'with -r: put those files anywhere' },
  { letter: 'i', systems: 'linux windows', meaning: 'install Tacoscript as well' },
  { letter: 'f', systems: 'linux windows', meaning: 'overwrite an existing installation' },
  { letter: 'd', systems: 'linux windows', meaning: 'random client id, for cloned machines' },
  { letter: 't', systems: 'linux windows', meaning: 'newest unstable release' },
];

const ACCOUNT_FLAG = {
  letter: 'a',
  meaning: 'run as another account than rport',
  placeholder: 'deploy',
  linux: ACCOUNT.sh.source,
  windows: ACCOUNT.ps1.source,
  problem: 'must be one account name',
};

const TAG_FLAG = {
  letter: 'g',
  meaning: 'tags, separated by commas',
  placeholder: 'web, Berlin',
  linux: TAG.source,
  windows: TAG.source,
  problem: 'a tag has 1 to 64 letters, digits, spaces and . _ : @ / + -',
};

function systems(url: string, flags: Flags, windowsFirst: boolean) {
  const { linux, windows } = installerCommands(url, '?');
  return [
    {
      name: 'linux',
      label: 'Linux',
      hint: 'Paste it into a terminal. It asks for the password of sudo.',
      selected: !windowsFirst,
      ...aroundQuery(linux),
      query: query('linux', flags),
    },
    {
      name: 'windows',
      label: 'Windows',
      hint: 'Paste it into a PowerShell that runs as administrator.',
      selected: windowsFirst,
      ...aroundQuery(windows),
      query: query('windows', flags),
    },
  ];
}

function aroundQuery(command: string): { before: string; after: string } {
  const [before = '', after = ''] = command.split('?');
  return { before, after };
}

/** `?x&s&a=deploy`, in the order of the boxes; empty when no flag is set. */
function query(system: string, flags: Flags): string {
  const letters = SWITCHES.filter(({ letter, systems }) => flags[letter] && systems.includes(system));
  const values = [...(flags.a === undefined ? [] : [['a', flags.a]]), ...(flags.g ?? []).map((tag) => ['g', tag])];
  const parts = [...letters.map(({ letter }) => letter), String(new URLSearchParams(values))].filter(Boolean);
  return parts.length > 0 ? `?${parts.join('&')}` : '';
}
