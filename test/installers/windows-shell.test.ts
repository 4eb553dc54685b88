import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { readConfig } from '../../src/config.ts';
import { createRender } from '../../src/render.ts';
import { PLAIN_DEPOSIT } from '../support/service.ts';

const MAX_BYTES = 28 * 1024;
const render = createRender(readConfig({}));
const { connect_url: connectUrl, fingerprint, client_id: clientId, password } = PLAIN_DEPOSIT;
const installer = render.installer('ps1', { connectUrl, fingerprint, clientId, password }, { x: true });

/** The real PowerShells on the PATH. Elsewhere the engine of the other suites stands in for them. */
const SHELLS = ['powershell', 'pwsh'].filter((shell) => spawnSync(shell, ['-Version']).error === undefined);

test('the rendered Windows installer has at most 28 KB', () => {
  const size = Buffer.byteLength(installer);
  console.log(`the rendered Windows installer has ${size} bytes`);
  expect(size).toBeLessThanOrEqual(MAX_BYTES);
});

for (const shell of SHELLS) {
  describe(`in ${shell} as it is installed here`, () => {
    function save(script: string) {
      const directory = mkdtempSync(join(tmpdir(), 'rport-shell-'));
      onTestFinished(() => rmSync(directory, { recursive: true }));
      const file = join(directory, 'rport-installer.ps1');
      writeFileSync(file, script);
      return file;
    }

    const runFile = (script: string, ...args: string[]) => run('-File', save(script), ...args);

    function run(...words: string[]) {
      // What only Windows sets, for PowerShell elsewhere.
      const windows = { ProgramFiles: tmpdir(), SystemRoot: tmpdir() };
      const { status, stdout, stderr } = spawnSync(
        shell,
        ['-NoProfile', '-NonInteractive', '-ExecutionPolicy', 'Bypass', ...words],
        { encoding: 'utf8', env: { ...windows, ...process.env } },
      );
      return { code: status, text: stdout + stderr };
    }

    test('-h prints every flag and exits 0', () => {
      const { code, text } = runFile(installer, '-h');
      expect(code).toBe(0);
      for (const flag of 'hfvtuxarigdzn') expect(text).toMatch(new RegExp(`^ {2}-${flag}\\b`, 'm'));
    });

    test('an unknown flag exits 2, an error script 1, each with a reason', () => {
      expect(runFile(installer, '-q')).toMatchObject({ code: 2, text: expect.stringContaining('unknown flag -q') });
      const expired = render.error('ps1', 'This pairing code is unknown or has expired.');
      expect(runFile(expired)).toMatchObject({ code: 1, text: expect.stringContaining('has expired') });
    });

    test('run as text it sets $LASTEXITCODE and does not exit', () => {
      const command = `& ([scriptblock]::Create([IO.File]::ReadAllText('${save(installer)}'))) -q; "still here with $LASTEXITCODE"`;
      expect(run('-Command', command).text).toContain('still here with 2');
    });
  });
}
