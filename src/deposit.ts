import { z } from 'zod';
import { BadRequest, type FieldProblem, TooLarge, UnsupportedMediaType } from './errors.ts';
import type { DepositStore } from './store.ts';

const MAX_BODY_BYTES = 8 * 1024;

/** One rule of a text field: the pattern it must match, and what to say when it does not. */
interface Rule {
  pattern: RegExp;
  problem: string;
}

const noControls: Rule = { pattern: /^\P{Cc}*$/u, problem: 'must not contain control characters' };

/** Text of `least` to `most` characters, counted as Unicode code points. */
const sized = (least: number, most: number): Rule => ({
  pattern: new RegExp(`^.{${least},${most}}$`, 'su'),
  problem: `must have ${least} to ${most} characters`,
});

/** The rules of each field, in the order they are checked; the form shows them as they are broken. */
export const RULES = {
  connect_url: [
    noControls,
    { pattern: /^.{0,2048}$/su, problem: 'must have at most 2048 characters' },
    {
      pattern: /^([hH][tT][tT][pP]|[wW][sS])[sS]?:\/\/[^\s/?#@\\]+([/?#]|$)/,
      problem: 'must be an http, https, ws or wss URL with a host and without user name or password',
    },
  ],
  fingerprint: [
    {
      pattern: /^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){15}$/,
      problem: 'must be 16 pairs of hexadecimal digits, separated by colons',
    },
  ],
  client_id: [noControls, sized(3, 100), { pattern: /^[^:]*$/, problem: 'must not contain a colon' }],
  password: [noControls, sized(3, 100)],
  uses: [{ pattern: /^([1-9]\d{0,2}|1000)$/, problem: 'must be a whole number from 1 to 1000' }],
} satisfies Record<string, [...Rule[], Rule]>;

function text(rules: Rule[]) {
  const wellFormed = z
    .string('is missing or not text')
    .refine((value) => value.isWellFormed(), { error: 'is not valid Unicode', abort: true });
  return rules.reduce(
    (schema, { pattern, problem }) => schema.regex(pattern, { error: problem, abort: true }),
    wellFormed,
  );
}

const connectUrl = text(RULES.connect_url)
  .refine(isConnectUrl, {
    error: 'must be an http, https, ws or wss URL with a host and without user name or password',
    abort: true,
  })
  .transform((value) => new URL(value).href)
  .refine((value) => value.length <= 2048, 'must have at most 2048 characters once its special characters are encoded');

const [{ problem: usesProblem }] = RULES.uses;

/** How often the installer may be handed out. A form can send text only, and sends an empty field as empty text. */
const uses = z
  .union(
    [
      z.int(usesProblem).min(1, usesProblem).max(1000, usesProblem),
      text(RULES.uses).transform(Number),
      z.literal('').transform(() => undefined),
    ],
    usesProblem,
  )
  .optional();

export const depositSchema = z
  .object({
    connect_url: connectUrl,
    fingerprint: text(RULES.fingerprint).toLowerCase(),
    client_id: text(RULES.client_id),
    password: text(RULES.password),
    uses,
  })
  .transform((fields) => ({
    /** Normalised: ASCII only, whatever was uploaded. */
    connectUrl: fields.connect_url,
    /** Lower-case. */
    fingerprint: fields.fingerprint,
    clientId: fields.client_id,
    password: fields.password,
    /** Retrievals after which the pairing ends; without it, only time ends it. */
    ...(fields.uses !== undefined && { uses: fields.uses }),
  }));

/** The credentials a machine needs to connect to its RPort server. */
export type Deposit = z.infer<typeof depositSchema>;

/**
 * Reads the deposit from the body of a request: JSON, a multipart form or an urlencoded form, at most 8 KiB.
 * With `connectHosts`, only for RPort servers on one of these hosts; `*.example.com` stands for every name below
 * example.com. Throws BadRequest with every broken rule, TooLarge or UnsupportedMediaType.
 */
export async function readDeposit(request: Request, connectHosts?: readonly string[]): Promise<Deposit> {
  const result = depositSchema.safeParse(await readFields(request));
  if (!result.success) {
    throw refused(result.error.issues.map((issue) => ({ field: issue.path.join('.'), problem: issue.message })));
  }
  const { hostname } = new URL(result.data.connectUrl);
  if (connectHosts && !connectHosts.some((pattern) => matchesHost(pattern, hostname))) {
    throw refused([
      { field: 'connect_url', problem: 'is not one of the RPort servers this service pairs machines with' },
    ]);
  }
  return result.data;
}

function refused(fields: FieldProblem[]): BadRequest {
  return new BadRequest('The deposit was refused; nothing was stored.', fields);
}

function matchesHost(pattern: string, hostname: string): boolean {
  return pattern.startsWith('*.') ? hostname.endsWith(pattern.slice(1)) : hostname === pattern;
}

/** The answer to a deposit. */
export const pairingSchema = z.object({
  pairing_code: z.string(),
  url: z.url().describe('the pairing URL'),
  expires: z.iso.datetime().describe('UTC'),
  installers: z
    .object({ linux: z.string(), windows: z.string() })
    .describe("one command for each system; each ends in the script's invocation, so that flags can be appended"),
});
type Pairing = z.infer<typeof pairingSchema>;

/** Stores a deposit and tells how to use it. Throws StoreFull. */
export function pair(deposit: Deposit, store: DepositStore, publicUrl: string): Pairing {
  const { code, expires } = store.put(deposit);
  const url = `${publicUrl}/${code}`;
  return {
    pairing_code: code,
    url,
    expires: expires.toISOString(),
    installers: installerCommands(url),
  };
}

/**
 * The commands to paste for a pairing URL: one for each system. A `query` such as `?x&s` bakes flags in; it must hold
 * no quote, and is quoted, since shells read `?` and `&` as their own.
 */
export function installerCommands(url: string, query = ''): Pairing['installers'] {
  const word = (path: string) => (query === '' ? path : `'${path}${query}'`);
  return { linux: linuxCommand(word(url)), windows: windowsCommand(word(`${url}.ps1`)) };
}

/** Without curl's -f: the answer to an expired code is a script as well, which prints the reason and fails. */
function linuxCommand(url: string): string {
  return `curl -sSL ${url} | sudo sh -s --`;
}

/**
 * The old script is removed first: it must not run when the download of the new one fails. 3072 is TLS 1.2, which an old
 * Windows PowerShell leaves off its list; without a list (0) Windows chooses, and a list would turn TLS 1.3 off.
 */
function windowsCommand(url: string): string {
  return [
    'if ([int][Net.ServicePointManager]::SecurityProtocol) { [Net.ServicePointManager]::SecurityProtocol = [Net.ServicePointManager]::SecurityProtocol -bor 3072 }',
    'Remove-Item -Path rport-installer.ps1 -ErrorAction Ignore',
    `Invoke-WebRequest -UseBasicParsing -Uri ${url} -OutFile rport-installer.ps1`,
    'powershell -ExecutionPolicy Bypass -File .\\rport-installer.ps1',
  ].join('; ');
}

function isConnectUrl(value: string): boolean {
  if (!URL.canParse(value)) return false;
  const url = new URL(value);
  return /^(https?|wss?):$/.test(url.protocol) && url.host !== '' && url.username === '' && url.password === '';
}

async function readFields(request: Request): Promise<Record<string, unknown>> {
  const type = (request.headers.get('Content-Type') ?? '').split(';', 1)[0]?.trim().toLowerCase();
  switch (type) {
    case 'application/json':
      return parseJson(await receive(request));
    case 'multipart/form-data':
    case 'application/x-www-form-urlencoded':
      return parseForm(request, await receive(request));
    default:
      throw new UnsupportedMediaType('Send the deposit as JSON, as a multipart form or as an urlencoded form.');
  }
}

async function receive(request: Request): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return await readBody(request);
  } catch (error) {
    if (error instanceof TooLarge) throw error;
    // Its sender has hung up, which is no failure of the service.
    throw new BadRequest('The body did not arrive whole.');
  }
}

/** A body of a stated length in one piece: its stream costs more than all the rest. */
async function readBody(request: Request): Promise<Uint8Array<ArrayBuffer>> {
  const stated = request.headers.get('Content-Length');
  if (stated !== null && Number(stated) <= MAX_BODY_BYTES) return new Uint8Array(await request.arrayBuffer());
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body ?? []) {
    size += chunk.byteLength;
    if (size > MAX_BODY_BYTES) throw new TooLarge('A deposit has at most 8192 bytes.');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function parseJson(body: Uint8Array): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    // The error of a parser quotes what it read, and that may be a password.
    throw new BadRequest('The body is not valid JSON.');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new BadRequest('The body must be a JSON object.');
  }
  return Object.fromEntries(Object.entries(value));
}

async function parseForm(request: Request, body: Uint8Array<ArrayBuffer>): Promise<Record<string, unknown>> {
  const headers = { 'Content-Type': request.headers.get('Content-Type') ?? '' };
  let form: FormData;
  try {
    form = await new Response(body, { headers }).formData();
  } catch {
    throw new BadRequest('The body is not a valid form.');
  }
  // A field that is given twice is no text, so it is refused by its name.
  return Object.fromEntries([...new Set(form.keys())].map((name) => [name, single(form.getAll(name))]));
}

function single(values: unknown[]): unknown {
  return values.length === 1 ? values[0] : values;
}
