import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { parse } from 'smol-toml';
import { expect, test } from 'vitest';
import { readConfig } from '../../src/config.ts';
import { readDeposit } from '../../src/deposit.ts';
import { createRender } from '../../src/render.ts';
import { usePairings } from '../support/pairing.ts';
import { describeWith } from '../support/requirements.ts';
import { ROOT_TOOLS, SHELL_NAMES, SHELLS } from '../support/root.ts';
import { PLAIN_DEPOSIT } from '../support/service.ts';

/** What has meaning to a shell, to TOML, to sed, to printf, to PowerShell, or is long, or is no ASCII. */
const HOSTILE = [
  ...[
    "'",
    '"',
    '\\',
    '`',
    '$',
    '$(touch /pwned)',
    '`touch /pwned`',
    '$' + '{HOME}',
    '$$',
    '!!',
    '*',
    '?',
    '~',
    '&',
    '|',
    ';',
  ],
  ...['%s', '%n', '%', '\\n', '\\c', '\\1', '\\x41', '\\u0041', '{{', '<%= it %>', '#', '=', '[', ']', '"""', "'''"],
  ...[
    '-',
    '--',
    '-e',
    '/',
    '//',
    '\u2018',
    '\u2019',
    '\u201a',
    '\u201b',
    '\u201c',
    '\u{1f600}',
    '\u00e4',
    '\ufeff',
    '\u2028',
  ],
  ...['EOF', ' ', '  ', '<', '>', '(', ')', "'; touch /pwned; '", '"\\n[client]', '\u{10ffff}', '\u202e', 'e\u0301'],
];
const text = fc
  .array(fc.oneof(fc.constantFrom(...HOSTILE), fc.string({ unit: 'grapheme', maxLength: 8 })), {
    minLength: 1,
    maxLength: 8,
  })
  .map((parts) => parts.join(''))
  .filter(
    (value) => !/\p{Cc}/u.test(value) && value.isWellFormed() && [...value].length >= 3 && [...value].length <= 100,
  );
const credentials = fc.record({ client_id: text.filter((value) => !value.includes(':')), password: text });

const RUNS_PER_SHELL = 150;

describeWith(ROOT_TOOLS, 'credentials of any characters', () => {
  const pairings = usePairings();
  const render = createRender(readConfig({}));

  async function scriptFor(fields: { client_id: string; password: string }): Promise<string> {
    const body = JSON.stringify({ ...PLAIN_DEPOSIT, ...fields });
    const headers = { 'Content-Type': 'application/json' };
    const deposit = await readDeposit(new Request('http://localhost/', { method: 'POST', headers, body }));
    return render.installer('sh', deposit);
  }

  test.each(SHELL_NAMES)(
    `arrive in rport.conf as they are, by %s (${RUNS_PER_SHELL} generated deposits)`,
    async (shell) => {
      const root = await pairings.root();
      const seed = Date.now();
      const deposits = fc.sample(credentials, { numRuns: RUNS_PER_SHELL, seed });
      const directory = `${root.path}/run/scripts`;
      mkdirSync(directory);
      for (const [index, fields] of deposits.entries()) {
        const script = await scriptFor(fields);
        expect(script).toMatch(/^[\n\t -~]*$/);
        // All of the installer but the way there: only the configuration is printed.
        const print =
          'print_cards() { :; }; print_interpreters() { :; }; settings; facts; parse_flags -x; client_id=id; print_config';
        writeFileSync(`${directory}/${index}`, script.replace(/\n\tmain "\$@"\n\}\n$/, `\n\t${print}\n}\n`));
      }
      const runAll = 'for file in /run/scripts/*; do "$@" -s <"$file" >"$file.conf" || exit; done';
      const result = await root.run(['sh', '-c', runAll, 'sh', ...SHELLS[shell]]);
      expect(result).toEqual({ code: 0, stdout: '', stderr: '' });
      for (const [index, { client_id, password }] of deposits.entries()) {
        const config = parse(readFileSync(`${directory}/${index}.conf`, 'utf8'));
        expect(config, `seed ${seed}`).toMatchObject({ client: { auth: `${client_id}:${password}`, id: 'id' } });
      }
      expect(root.changes()).toEqual([]);
    },
  );

  test.each(SHELL_NAMES)('install by %s, and nothing they hold is run', async (shell) => {
    const root = await pairings.root();
    const fields = {
      client_id: `-e $(touch /pwned)\`touch /pwned\`'"\\ %s \u2018\u{1f600}`,
      password: `'; touch /pwned; '"""\\n[x] \${HOME} \u201b <%= it.x %> \\1 & #`,
    };
    expect(await root.install(await pairings.installer(fields), [], shell)).toMatchObject({ code: 0, stderr: '' });
    const config = parse(readFileSync(`${root.path}/etc/rport/rport.conf`, 'utf8'));
    expect(config).toMatchObject({ client: { auth: `${fields.client_id}:${fields.password}` } });
    expect(root.changes().filter((change) => change.includes('pwned'))).toEqual([]);
  });
});
