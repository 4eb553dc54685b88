import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import fc from 'fast-check';
import { parse } from 'smol-toml';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readConfig } from '../../src/config.ts';
import type { Flags } from '../../src/flags.ts';
import { createRender } from '../../src/render.ts';
import { type ReleaseServer, startReleaseServer } from '../support/release-server.ts';
import { describeWith } from '../support/requirements.ts';
import { deposit, freePort, startService } from '../support/service.ts';
import { build, createMachine, MACHINE_UUID, type Machine, SUPPORT, standinZip } from '../support/windows.ts';
import { zip } from '../support/zip.ts';

const DEPOSIT = {
  fingerprint: '2a:c8:71:09:80:ba:7c:60:05:e5:2c:99:6d:75:56:24',
  clientId: 'client-1',
  password: 'Tr0ub4dor',
};
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

let host: string;
let release: ReleaseServer;

beforeAll(async () => {
  release = await startReleaseServer({
    zips: {
      rport: standinZip('0.9.14'),
      tacoscript: zip([{ name: 'tacoscript.exe', content: Buffer.from('tacoscript') }]),
    },
  });
});
afterAll(() => release.close());

function installer(
  deposit: { password?: string; clientId?: string; connectUrl?: string } = {},
  flags: Flags = {},
  server = release,
  version = '0.9.14',
) {
  const render = createRender(
    readConfig({
      PUBLIC_URL: 'https://pairing.example.com',
      RPORT_VERSION: version,
      RPORT_RELEASES_URL: server.rportReleasesUrl,
      TACOSCRIPT_RELEASES_URL: server.tacoscriptReleasesUrl,
    }),
  );
  return render.installer('ps1', { connectUrl: server.connectUrl, ...DEPOSIT, ...deposit }, flags);
}

const uninstaller = () => createRender(readConfig({})).installer('ps1', undefined, { u: true });
const errorScript = () => createRender(readConfig({})).error('ps1', "This pairing code is unknown; it's gone.");

function configOf(machine: Machine) {
  return parse(readFileSync(machine.config, 'utf8')) as Record<string, Record<string, unknown>>;
}

/** An installer's text before, in, and after its block of assignments. */
function cut(script: string): string[] {
  const parts = /^(.*?\n)(\$scriptVersion = .*?\n)(\nSet-StrictMode .*)$/s.exec(script);
  if (!parts) throw new Error('the installer has no block of assignments');
  return parts.slice(1);
}

/** Nothing is left in Program Files, no service exists. */
function expectUntouched(machine: Machine) {
  expect(readdirSync(machine.programFiles)).toEqual([]);
  expect(machine.service()).toBeUndefined();
}

async function installed(args: readonly string[] = []) {
  const machine = createMachine(host);
  const result = await machine.runFile(installer(), args);
  expect(result).toMatchObject({ code: 0, stderr: '' });
  return machine;
}

describeWith(['dotnet', 'flock'], 'the Windows installer in the PowerShell engine, with stand-ins for Windows', () => {
  beforeAll(async () => {
    host = await build('host.cs', 'here');
  }, 600_000);
  afterAll(() => rmSync(host, { recursive: true }));

  describe('as text', () => {
    // What Windows PowerShell 5.1 has of what the scripts use.
    const CMDLETS: Record<string, string[]> = {
      'Copy-Item': ['LiteralPath', 'Destination'],
      'Expand-Archive': ['LiteralPath', 'DestinationPath'],
      'ForEach-Object': ['MemberName'],
      'Get-CimInstance': ['ClassName', 'Filter'],
      'Get-Command': ['Name', 'CommandType', 'ErrorAction'],
      'Get-Content': ['LiteralPath', 'Raw', 'ErrorAction'],
      'Get-FileHash': ['LiteralPath', 'Algorithm'],
      'Get-Item': ['LiteralPath'],
      'Invoke-CimMethod': ['InputObject', 'MethodName', 'Arguments'],
      'Join-Path': [],
      'Move-Item': ['LiteralPath', 'Destination'],
      'New-Item': ['ItemType', 'Path'],
      'Out-Null': [],
      'Remove-Item': ['LiteralPath', 'Recurse', 'Force', 'ErrorAction'],
      'Set-Acl': ['LiteralPath', 'AclObject'],
      'Set-Content': ['LiteralPath', 'Value', 'Encoding'],
      'Set-StrictMode': ['Version'],
      'Split-Path': ['Leaf'],
      'Start-Service': ['Name'],
      'Start-Sleep': ['Milliseconds'],
      'Stop-Service': ['Name', 'Force'],
      'Test-Path': ['LiteralPath', 'PathType'],
      'Write-Error': ['Message', 'ErrorAction'],
      'Write-Host': [],
      'Write-Warning': [],
    };
    const VERBS =
      /^(Add|Assert|Clear|ConvertTo|Expand|Find|Get|Install|Invoke|Move|New|Protect|Read|Register|Remove|Restore|Save|Set|Start|Stop|Test|Uninstall|Wait|Write)-[A-Z]/;

    test.each([
      ['installer', () => installer({}, { x: true, g: ['one'] })],
      ['uninstaller', uninstaller],
      ['error script', errorScript],
    ])('the %s parses, is ASCII, and has approved verbs and cmdlets of 5.1 only', async (_, script) => {
      expect(script()).toMatch(/^[\n\t -~]*$/);
      const machine = createMachine(host);
      const file = join(machine.programFiles, 'script.ps1');
      writeFileSync(file, script());
      const { code, stdout, stderr } = await machine.runText(readFileSync(join(SUPPORT, 'analyze.ps1'), 'utf8'), {
        SCRIPT: file,
      });
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      const facts = stdout
        .trimEnd()
        .split('\n')
        .map((line) => line.split(' '));
      const kinds = (kind: string) => facts.filter(([first]) => first === kind).map(([, ...rest]) => rest.join(' '));
      expect(kinds('command').length).toBeGreaterThan(0);
      // Nor would Windows keep its text, and so the password, in the event log.
      for (const kind of ['error', 'newer', 'suspicious']) expect(kinds(kind)).toEqual([]);
      const functions = kinds('function');
      for (const name of functions) expect(name).toMatch(VERBS);
      for (const command of kinds('command')) {
        const [name = '', ...parameters] = command.split(' ');
        if (functions.includes(name)) continue;
        expect(Object.keys(CMDLETS)).toContain(name);
        expect(CMDLETS[name]).toEqual(expect.arrayContaining(parameters));
      }
    });

    test.each([
      ['installer', () => installer()],
      ['error script', errorScript],
    ])('the %s does nothing when it is cut off anywhere', async (_, script) => {
      const machine = createMachine(host);
      const file = join(machine.programFiles, 'script.ps1');
      writeFileSync(file, script());
      // Only comments may parse; whatever else does would be run.
      const { code, stdout, stderr } = await machine.runText(
        `$text = [IO.File]::ReadAllText($env:SCRIPT).TrimEnd()
        # Every byte of the beginning and of the end, and every 61st between. One byte is the name of no command: it is <.
        foreach ($length in 2..($text.Length - 1)) {
          if ($length -gt 2600 -and $length -lt $text.Length - 400 -and $length % 61) { continue }
          $errors = $null
          $ast = [Management.Automation.Language.Parser]::ParseInput($text.Substring(0, $length), [ref]$null, [ref]$errors)
          if (-not $errors -and $ast.EndBlock.Find({ $args[0] -is [Management.Automation.Language.CommandBaseAst] }, $true)) { "runs at $length" }
        }
        "tried $($text.Length)"`,
        { SCRIPT: file },
      );
      expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: `tried ${script().trimEnd().length}\n`, stderr: '' });
    });

    test('Get-Help -Full shows synopsis, every flag, every exit code and examples', async () => {
      const machine = createMachine(host);
      writeFileSync(join(machine.programFiles, 'rport-installer.ps1'), installer());
      const { stdout } = await machine.runText(
        `$help = Get-Help '${machine.programFiles}/rport-installer.ps1' -Full
        $help.Synopsis; $help.description.Text; $help.alertSet.alert.Text; $help.examples.example.code`,
      );
      expect(stdout).toContain('Installs the RPort client');
      for (const flag of 'hfvtuxsarbigdznclp') expect(stdout).toMatch(new RegExp(`-${flag}\\b`));
      for (const exitCode of '0123456789') expect(stdout).toMatch(new RegExp(`\\b${exitCode} [a-z]`));
      expect(stdout).toContain('rport-installer.ps1 -x -g office');
    });
  });

  describe('installing', () => {
    test('installs, refuses to do it twice, does it again with -f, and leaves nothing after -u', async () => {
      const machine = createMachine(host);
      const first = await machine.runFile(installer(), ['-x', '-r', '-i']);
      expect(first).toMatchObject({ code: 0, stderr: '' });
      expect(first.stdout).toContain(`rport 0.9.14 is connected to ${release.connectUrl}`);
      expect(configOf(machine)).toMatchObject({
        client: {
          server: release.connectUrl,
          fingerprint: DEPOSIT.fingerprint,
          auth: 'client-1:Tr0ub4dor',
          id: MACHINE_UUID,
          use_system_id: false,
          tags: [],
          data_dir: join(machine.programFiles, 'rport', 'data'),
        },
        connection: { watchdog_integration: true, keep_alive: '3m', max_retry_count: -1 },
        'remote-commands': { enabled: true, allow: ['.*'], deny: [] },
        'remote-scripts': { enabled: true },
        'file-reception': { enabled: true },
        'interpreter-aliases': { tacoscript: join(machine.programFiles, 'tacoscript', 'tacoscript.exe') },
      });
      expect(machine.service()).toMatchObject({
        State: 'Running',
        StartMode: 'Auto',
        StartName: 'LocalSystem',
        PathName: `"${machine.client}" -c "${machine.config}"`,
      });
      expect(readdirSync(machine.programFiles).sort()).toEqual(['rport', 'tacoscript']);

      const before = readFileSync(machine.config, 'utf8');
      const calls = machine.calls();
      expect(calls).toContain(`rport.exe --service install -c ${machine.config}\n`);
      expect(calls).toContain('sc.exe failure rport reset= 60 actions= restart/5000\n');
      const second = await machine.runFile(installer(), ['-x', '-r', '-i']);
      expect(second).toMatchObject({ code: 5, stdout: '' });
      expect(second.stderr).toContain('already installed');
      expect(machine.calls()).toBe(calls);

      const forced = await machine.runFile(installer(), ['-f', '-x', '-r', '-i']);
      expect(forced).toMatchObject({ code: 0, stderr: '' });
      expect(readFileSync(machine.config, 'utf8')).toBe(before);

      const removed = await machine.runFile(installer(), ['-u']);
      expect(removed).toMatchObject({ code: 0, stdout: 'rport was removed\n', stderr: '' });
      expectUntouched(machine);
    });

    test('without flags nothing is allowed to the server', async () => {
      const machine = await installed();
      expect(configOf(machine)).toMatchObject({
        'remote-commands': { enabled: false, allow: [], deny: [] },
        'remote-scripts': { enabled: false },
        'file-reception': { enabled: false },
      });
    });

    test('protects configuration, log and data before anything is in them', async () => {
      const machine = await installed();
      const rights = 'O:BAD:PAI(A;;FA;;;SY)(A;;FA;;;BA)\n';
      expect(machine.calls()).toContain(`Set-Acl rport.conf 0 ${rights}`);
      expect(machine.calls()).toContain(`Set-Acl rport.log 0 ${rights}`);
      expect(machine.calls()).toContain('Set-Acl data directory O:BAD:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)\n');
    });

    test.each([
      ['NT AUTHORITY\\LocalService', 'NT AUTHORITY\\LocalService', 'S-1-5-19'],
      ['NetworkService', 'NT AUTHORITY\\NetworkService', 'S-1-5-20'],
      ['EXAMPLE\\rport$', 'EXAMPLE\\rport$', 'S-1-5-21-1-2-3-1104'],
    ])(
      '-a %s runs the service as that account, which may read the configuration and write log and data',
      async (account, name, sid) => {
        const machine = await installed(['-a', account]);
        expect(machine.service()).toMatchObject({ StartName: name });
        expect(machine.calls()).toContain(`(A;;0x120089;;;${sid})\n`);
        expect(machine.calls()).toContain(`(A;;0x1301bf;;;${sid})\n`);
        expect(machine.calls()).toContain(`(A;OICI;0x1301bf;;;${sid})\n`);
      },
    );

    test('the password is in the configuration and in no argument, no output and no other file', async () => {
      const machine = createMachine(host);
      const secret = 'n0-0ne-may-see-this';
      const result = await machine.runFile(installer({ password: secret }), ['-i']);
      expect(result.code).toBe(0);
      expect(result.stdout + result.stderr + machine.calls()).not.toContain(secret);
      const holders = readdirSync(machine.programFiles, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile() && readFileSync(join(entry.parentPath, entry.name), 'utf8').includes(secret))
        .map((entry) => entry.name);
      expect(holders).toEqual(['rport.conf']);
    });

    test.each([
      ['a file, on the command line', ['-g', 'one', '-g', 'New York', '-g:two'], {}, ['one', 'New York', 'two']],
      [
        'the query, added to by the command line',
        ['-xg', 'three'],
        { g: ['one', 'two'], x: true } as Flags,
        ['one', 'two', 'three'],
      ],
    ])('takes tags from %s', async (_, args, flags, tags) => {
      const machine = createMachine(host);
      expect(await machine.runFile(installer({}, flags), args)).toMatchObject({ code: 0, stderr: '' });
      expect(configOf(machine).client?.tags).toEqual(tags);
    });

    test('-d takes a random id instead of the machine id, and -f keeps it', async () => {
      const machine = await installed(['-d']);
      const id = configOf(machine).client?.id;
      expect(id).toMatch(UUID);
      expect(id).not.toBe(MACHINE_UUID);
      expect((await machine.runFile(installer(), ['-f'])).code).toBe(0);
      expect(configOf(machine).client?.id).toBe(id);
    });

    test.each(['00000000-0000-0000-0000-000000000000', 'FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF', ''])(
      'does not use the bad firmware id "%s" but the MachineGuid',
      async (uuid) => {
        const machine = createMachine(host);
        const guid = '023d5784-f229-43d1-926e-3f3df95872e8';
        const result = await machine.runFile(installer(), [], { STANDIN_UUID: uuid, STANDIN_MACHINE_GUID: guid });
        expect(result.code).toBe(0);
        expect(configOf(machine).client?.id).toBe(guid);
      },
    );

    test('a 32-bit PowerShell on a 64-bit Windows installs to the 64-bit Program Files', async () => {
      const machine = createMachine(host);
      const result = await machine.runFile(installer(), [], {
        PROCESSOR_ARCHITECTURE: 'x86',
        PROCESSOR_ARCHITEW6432: 'AMD64',
        ProgramW6432: machine.programFiles,
        ProgramFiles: `${machine.programFiles} (x86)`,
      });
      expect(result.code).toBe(0);
      expect(existsSync(machine.client)).toBe(true);
    });

    test.each(['-z', '-pkgUrl'])(
      '%s takes the package from a local path or a URL, and says that it is not verified',
      async (flag) => {
        const machine = createMachine(host);
        const file = join(machine.root, 'given.zip');
        writeFileSync(file, standinZip('7.7.7'));
        const local = await machine.runFile(installer(), [flag, file]);
        expect(local).toMatchObject({ code: 0, stderr: expect.stringContaining('not verified') });
        expect(local.stdout).toContain('rport 7.7.7 is connected');
        const url = `${release.rportReleasesUrl}/download/0.9.14/rport_0.9.14_windows_x86_64.zip`;
        const remote = await machine.runFile(installer(), [flag, url, '-f']);
        expect(remote.stdout).toContain('rport 0.9.14 is connected');
      },
    );

    test('downloads go through the proxy of the system', async () => {
      const asked: string[] = [];
      const proxy = createServer((request, response) => {
        asked.push(request.url ?? '');
        response.end(standinZip('0.9.14'));
      });
      await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
      const { port } = proxy.address() as AddressInfo;
      const url = 'http://downloads.invalid/rport.zip';
      const result = await createMachine(host).runFile(installer(), ['-z', url], {
        http_proxy: `http://127.0.0.1:${port}`,
      });
      proxy.close();
      expect(result.code).toBe(0);
      expect(asked).toEqual([url]);
    });

    test('-t takes the newest release, RPORT_VERSION=latest the newest stable one', async () => {
      const unstable = await startReleaseServer({ zips: { rport: standinZip('0.10.0-rc.1') } });
      const newest = await createMachine(host).runFile(installer({}, {}, unstable), ['-t']);
      await unstable.close();
      expect(newest.stdout).toContain('rport 0.10.0-rc.1 is connected');
      const latest = await createMachine(host).runFile(installer({}, {}, release, 'latest'));
      expect(latest.stdout).toContain('rport 0.9.14 is connected');
    });

    test('-n tells what would be done, needs no Administrator and changes nothing', async () => {
      const machine = createMachine(host);
      const result = await machine.runFile(installer(), ['-n', '-x', '-i'], { STANDIN_ELEVATED: 'no' });
      expect(result).toMatchObject({ code: 0, stderr: '' });
      expect(result.stdout).toContain('would download rport 0.9.14 and tacoscript\n');
      expect(result.stdout).toContain(`would write ${machine.config}\n`);
      expect(result.stdout).toContain('would start the service rport\n');
      expect(
        result.stdout
          .trimEnd()
          .split('\n')
          .every((line) => line.startsWith('would ')),
      ).toBe(true);
      expectUntouched(machine);
      expect(machine.calls()).toBe('');
    });

    test.each(['-s', '-b'])('%s says that it has no meaning, and installs', async (flag) => {
      const result = await createMachine(host).runFile(installer(), [flag]);
      expect(result).toMatchObject({ code: 0, stderr: expect.stringContaining(`${flag} has no meaning on Windows`) });
    });

    test('a Tacoscript that cannot be had stops nothing, and one of somebody else stays', async () => {
      release.faults = { status: { 'tacoscript_0.0.9_windows_x86_64.zip': 404 } };
      const failed = await createMachine(host).runFile(installer(), ['-i']);
      release.faults = {};
      expect(failed).toMatchObject({ code: 0, stderr: expect.stringContaining('Tacoscript is not installed') });

      const machine = createMachine(host);
      const theirs = join(machine.programFiles, 'tacoscript', 'tacoscript.exe');
      mkdirSync(join(machine.programFiles, 'tacoscript'));
      writeFileSync(theirs, 'theirs');
      expect((await machine.runFile(installer(), ['-i'])).code).toBe(0);
      expect((await machine.runFile(uninstaller())).code).toBe(0);
      expect(readFileSync(theirs, 'utf8')).toBe('theirs');
    });
  });

  describe('fetched from the service', () => {
    const RELEASES = () => ({
      RPORT_RELEASES_URL: release.rportReleasesUrl,
      TACOSCRIPT_RELEASES_URL: release.tacoscriptReleasesUrl,
    });

    test('the command of an answer downloads the installer, and runs it with the flags put at its end', async () => {
      const service = await startService(RELEASES());
      const { installers } = await deposit(service, { connect_url: release.connectUrl });
      const machine = createMachine(host);
      const { code, stdout, stderr } = await machine.runText(`${installers.windows} -x -r -i`);
      await service.stop();
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(stdout).toContain(`rport 0.9.14 is connected to ${release.connectUrl}`);
      expect(configOf(machine)).toMatchObject({ 'remote-commands': { enabled: true } });
    });

    test('without a file: & ([scriptblock]::Create((irm URL))) takes flags, and irm URL/uninstall | iex removes it all', async () => {
      const service = await startService(RELEASES());
      const { url } = await deposit(service, { connect_url: release.connectUrl });
      const machine = createMachine(host);
      const first = await machine.runText(
        `& ([scriptblock]::Create((Invoke-RestMethod ${url}))) -g one; $LASTEXITCODE`,
      );
      expect(configOf(machine).client?.tags).toEqual(['one']);
      const second = await machine.runText(
        `Invoke-RestMethod ${service.url}/uninstall | Invoke-Expression; $LASTEXITCODE`,
      );
      const unknown = await machine.runText(`Invoke-RestMethod ${service.url}/uninstall.ps1 | Invoke-Expression`);
      await service.stop();
      expect(first).toMatchObject({ stderr: '', stdout: expect.stringMatching(/is connected to .*\n0\n$/s) });
      expect(second).toMatchObject({ stderr: '', stdout: 'rport was removed\n0\n' });
      expect(unknown.stdout).toBe('rport is not installed; there is nothing to remove\n');
      expectUntouched(machine);
    });
  });

  describe('run as text', () => {
    const fetched = (script: string, text: string) => {
      const machine = createMachine(host);
      const file = join(machine.root, 'fetched.txt');
      writeFileSync(file, script);
      return { machine, result: machine.runText(text.replaceAll('FETCHED', `[IO.File]::ReadAllText('${file}')`)) };
    };

    test('& ([scriptblock]::Create(…)) takes flags, does not exit, and sets $LASTEXITCODE', async () => {
      const { machine, result } = fetched(
        installer(),
        '& ([scriptblock]::Create((FETCHED))) -x -g one,two; "still here with $LASTEXITCODE"',
      );
      expect(await result).toMatchObject({ code: 0, stderr: '', stdout: expect.stringContaining('still here with 0') });
      expect(configOf(machine)).toMatchObject({
        client: { tags: ['one', 'two'] },
        'remote-commands': { enabled: true },
      });
    });

    test('Invoke-Expression installs with the flags baked in, and leaves no function or variable behind', async () => {
      const { machine, result } = fetched(
        installer({}, { x: true }),
        'FETCHED | Invoke-Expression; "still here with $LASTEXITCODE"; "left: $(Test-Path -LiteralPath function:Invoke-Main) $(Test-Path -LiteralPath variable:authToml)"',
      );
      const { stdout } = await result;
      expect(stdout).toContain('still here with 0');
      expect(stdout).toContain('left: False False');
      expect(configOf(machine)).toMatchObject({ 'remote-commands': { enabled: true } });
    });

    test.each([
      ['an unknown flag', () => installer(), '& ([scriptblock]::Create((FETCHED))) -q', 2],
      ['an error script', errorScript, 'FETCHED | Invoke-Expression', 1],
    ])('%s does not exit, but sets $LASTEXITCODE', async (_, script, text, code) => {
      const { stdout, stderr } = await fetched(script(), `${text}; "still here with $LASTEXITCODE"`).result;
      expect(stdout).toBe(`still here with ${code}\n`);
      expect(stderr).toContain('rport installer: ');
    });
  });

  describe('failing', () => {
    test.each([
      ['an unknown flag', ['-q'], 'unknown flag -q'],
      ['an argument', ['install'], 'unexpected argument'],
      ['-g without a value', ['-g'], '-g needs a value'],
      ['a tag with a quote', ['-g', 'a"b'], '-g: a tag has letters'],
      ['a tag of 65 characters', ['-g', 'x'.repeat(65)], '-g: a tag has at most 64'],
      ['an account with a semicolon', ['-a', 'a;b'], '-a: not an account name'],
      ['an account with a password', ['-a', 'deploy'], '-a: deploy may have a password'],
      ['an account that does not exist', ['-a', 'nobody$'], '-a: there is no account nobody$'],
    ])('exit 2 for %s', async (_, args, reason) => {
      const machine = createMachine(host);
      const result = await machine.runFile(installer(), args);
      expect(result).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(reason) });
      expectUntouched(machine);
    });

    test('exit 2 for an install without credentials', async () => {
      const result = await createMachine(host).runFile(createRender(readConfig({})).installer('ps1'));
      expect(result).toMatchObject({ code: 2, stderr: expect.stringContaining('holds no credentials') });
    });

    test.each([['-h'], ['-v']])('%s needs no Administrator, prints and exits 0', async (flag) => {
      const result = await createMachine(host).runFile(installer(), [flag], { STANDIN_ELEVATED: 'no' });
      expect(result).toMatchObject({ code: 0, stderr: '', stdout: expect.stringMatching(/^Installs|^installer \d/) });
    });

    test.each([
      [3, 'not elevated', { STANDIN_ELEVATED: 'no' }, [], 'Run as administrator'],
      [3, 'not elevated, uninstalling', { STANDIN_ELEVATED: 'no' }, ['-u'], 'Run as administrator'],
      [4, 'a 32-bit Windows', { PROCESSOR_ARCHITECTURE: 'x86' }, [], 'architecture (x86)'],
      [4, 'an ARM Windows', { PROCESSOR_ARCHITECTURE: 'ARM64' }, [], 'architecture (ARM64)'],
      [4, 'another system', { OS: '' }, [], 'not Windows'],
    ])('exit %i and a sentence: %s', async (code, _, environment, args, reason) => {
      const machine = createMachine(host);
      const result = await machine.runFile(installer(), args, environment as Record<string, string>);
      expect(result).toMatchObject({ code, stdout: '', stderr: expect.stringContaining(reason) });
      expectUntouched(machine);
    });

    test('exit 4 in Constrained Language Mode', async () => {
      const result = await createMachine(host).runFile(installer(), [], {}, 'constrained');
      expect(result).toMatchObject({
        code: 4,
        stderr: expect.stringContaining('restricts PowerShell (ConstrainedLanguage)'),
      });
    });

    test('an error script says why in Constrained Language Mode too', async () => {
      for (const mode of ['file', 'constrained']) {
        const result = await createMachine(host).runFile(errorScript(), [], {}, mode);
        expect(result).toMatchObject({ code: 1, stderr: expect.stringContaining("unknown; it's gone.") });
      }
    });

    test('exit 4 in a PowerShell older than the script asks for', async () => {
      const script = installer().replace("[version]'5.1'", "[version]'99.1'");
      const result = await createMachine(host).runFile(script);
      expect(result).toMatchObject({ code: 4, stderr: expect.stringContaining('this PowerShell is too old (7.') });
    });

    test.each([
      [
        'a service of the name',
        () => ({ Name: 'rport', State: 'Stopped', StartMode: 'Auto', StartName: 'LocalSystem', PathName: 'C:\\x.exe' }),
      ],
    ])('exit 5 for %s', async (_, values) => {
      const machine = createMachine(host);
      machine.addService(values());
      expect(await machine.runFile(installer())).toMatchObject({
        code: 5,
        stderr: expect.stringContaining('the service rport exists'),
      });
    });

    test.each([
      [6, 'no package', { status: { '_windows_x86_64.zip': 404 } }],
      [6, 'no checksums', { status: { 'checksums.txt': 500 } }],
      [6, 'a connection that is lost', { archive: 'cut' }],
      [7, 'a package that was tampered with', { archive: 'tampered' }],
    ] as const)('exit %i for %s, and nothing was changed', async (code, _, faults) => {
      const machine = createMachine(host);
      release.faults = faults;
      const result = await machine.runFile(installer());
      release.faults = {};
      expect(result.code).toBe(code);
      expectUntouched(machine);
    });

    test.each([
      [6, 'holds no program', zip([{ name: 'README', content: Buffer.from('x') }])],
      [6, 'is no archive', Buffer.from('<html>')],
      [6, 'holds another version', standinZip('0.1.2')],
      [4, 'holds a program that does not run', zip([{ name: 'rport.exe', content: Buffer.from('#!/nonexistent\n') }])],
    ] as const)('exit %i when the package %s', async (code, _, rport) => {
      const machine = createMachine(host);
      const broken = await startReleaseServer({ zips: { rport } });
      const result = await machine.runFile(installer({}, {}, broken));
      await broken.close();
      expect(result.code).toBe(code);
      expectUntouched(machine);
    });

    test('exit 8 when nothing answers at the connect URL', async () => {
      const machine = createMachine(host);
      const connectUrl = `ws://127.0.0.1:${await freePort()}/`;
      const result = await machine.runFile(installer({ connectUrl }));
      expect(result).toMatchObject({
        code: 8,
        stdout: '',
        stderr: expect.stringContaining(`${connectUrl} is not reachable`),
      });
      expectUntouched(machine);
    });

    test.each([
      ['wrong-password', 'Authentication failed'],
      ['wrong-fingerprint', 'invalid fingerprint'],
    ])('exit 9 with the reason of the log: %s', async (password, reason) => {
      const machine = createMachine(host);
      const result = await machine.runFile(installer({ password }));
      expect(result).toMatchObject({ code: 9, stderr: expect.stringContaining(reason) });
      expect(machine.service()).toMatchObject({ State: 'Running' });
    });

    test('exit 9 with the last reason of the log when the client has tried for half a minute', async () => {
      const result = await createMachine(host).runFile(installer({ password: 'bad-handshake' }));
      expect(result).toMatchObject({ code: 9, stderr: expect.stringContaining('websocket: bad handshake') });
    });

    test('waits for a client that connects later', async () => {
      const result = await createMachine(host).runFile(installer({ password: 'connects-late' }));
      expect(result).toMatchObject({ code: 0, stdout: expect.stringContaining('is connected') });
    });

    test('a fresh install whose service does not start leaves the machine as it was', async () => {
      const machine = createMachine(host);
      const result = await machine.runFile(installer(), ['-i'], { STANDIN_START: 'fails' });
      expect(result).toMatchObject({ code: 1, stderr: expect.stringContaining('could not start the service rport') });
      expectUntouched(machine);
    });

    test('a forced install that fails puts the old client, configuration and service back', async () => {
      const machine = await installed(['-a', 'LocalService']);
      const config = readFileSync(machine.config, 'utf8');
      writeFileSync(machine.client, `${readFileSync(machine.client, 'utf8')}# old\n`);
      const result = await machine.runFile(installer({ password: 'another' }), ['-f'], { STANDIN_SC: 'fails' });
      expect(result.code).toBe(1);
      expect(readFileSync(machine.config, 'utf8')).toBe(config);
      expect(readFileSync(machine.client, 'utf8')).toContain('# old');
      expect(machine.service()).toMatchObject({ StartName: 'NT AUTHORITY\\LocalService', StartMode: 'Auto' });
      expect(readdirSync(machine.programFiles)).toEqual(['rport']);
    });

    test('uninstalls when nothing is installed, and shows with -n what it would remove', async () => {
      expect(await createMachine(host).runFile(uninstaller())).toMatchObject({
        code: 0,
        stdout: 'rport is not installed; there is nothing to remove\n',
      });
      const machine = await installed();
      const result = await machine.runFile(uninstaller(), ['-n']);
      expect(result.stdout).toContain(`would remove ${join(machine.programFiles, 'rport')}`);
      expect(existsSync(machine.client)).toBe(true);
    });
  });

  test('1,000 hostile deposits come out of the text of rport.conf as they are, and none is run', async () => {
    const machine = createMachine(host);
    const directory = join(machine.root, 'hostile');
    mkdirSync(directory);
    const trap = join(directory, 'trap');
    const syntax = [
      "'",
      '\u2018',
      '\u2019',
      '\u201a',
      '\u201b',
      '"',
      '`',
      '$',
      '$(',
      ')',
      '@',
      "'@",
      '"@',
      '<#',
      '#>',
      ';',
      '|',
      '&',
      '{',
      '}',
      '\\',
      '%',
      '\u{1f600}',
      '\u0130',
      `'; [IO.File]::Create('${trap}') #`,
      `$([IO.File]::Create("${trap}"))`,
    ];
    const hostile = fc
      .oneof(
        fc.string({ unit: 'grapheme', minLength: 3, maxLength: 40 }),
        fc.array(fc.constantFrom(...syntax), { minLength: 3, maxLength: 12 }).map((parts) => parts.join('')),
      )
      .filter((value) => !/\p{Cc}/u.test(value));
    const clientIds = hostile.filter((value) => !value.includes(':'));
    const deposits = fc.sample(fc.record({ clientId: clientIds, password: hostile }), { numRuns: 1000, seed: 2026 });
    // Of every deposit's installer, only the block of assignments differs; those run one after the other in one of them.
    const [head, , tail] = cut(installer());
    deposits.forEach((values, index) => {
      const [before, assignments = '', after] = cut(installer(values));
      expect([before, after]).toEqual([head, tail]);
      writeFileSync(join(directory, `${index}.ps1`), assignments);
    });
    const loop = `
      function Get-InterpreterLine {}
      function Get-CardLine {}
      foreach ($index in 0..${deposits.length - 1}) {
        . "${directory}/$index.ps1"
        [IO.File]::WriteAllText("${directory}/$index.conf", (Get-ConfigText))
      }`;
    const main = '\nInvoke-Main @args\n';
    expect(installer()).toContain(main);
    const { code, stderr } = await machine.runFile(installer().replace(main, () => loop));
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    deposits.forEach(({ clientId, password }, index) => {
      const config = parse(readFileSync(join(directory, `${index}.conf`), 'utf8'));
      expect(config).toMatchObject({ client: { server: release.connectUrl, auth: `${clientId}:${password}` } });
    });
    expect(existsSync(trap)).toBe(false);
  }, 600_000);
});
