import { type SpawnOptions, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { zip } from './zip.ts';

export const SUPPORT = fileURLToPath(new URL('windows', import.meta.url));

/** The id that the stand-in firmware gives. */
export const MACHINE_UUID = '4C4C4544-0042-3510-8052-B4C04F4E4D32';

type Run = { code: number | null; stdout: string; stderr: string };

/** Runs a program to its end. */
function run(command: string, args: readonly string[], options: SpawnOptions = {}): Promise<Run> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
    const output = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name]?.setEncoding('utf8').on('data', (text: string) => {
        output[name] += text;
      });
    }
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, ...output }));
  });
}

/**
 * Builds a C# program of this directory for this system, or for Windows with all it needs; gives the directory of the
 * result. Its packages come from the package source that dotnet is set up with.
 */
export async function build(source: string, system: 'here' | 'windows'): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'rport-windows-'));
  const target = system === 'windows' ? ['-r', 'win-x64', '--self-contained'] : [];
  // One at a time: builds of one source share their intermediate files.
  const lock = join(tmpdir(), 'rport-windows-build.lock');
  const command = ['dotnet', 'publish', join(SUPPORT, source), ...target, '-o', directory];
  const { code, stdout, stderr } = await run('flock', [lock, ...command]);
  if (code !== 0) throw new Error(`${command.join(' ')} failed:\n${stdout}${stderr}`);
  return directory;
}

/** A release archive for Windows with a stand-in that the engine can run on Linux. */
export function standinZip(version: string): Buffer {
  const script = readFileSync(join(SUPPORT, 'rport-standin.sh'), 'utf8').replace('@VERSION@', version);
  return zip([
    { name: 'rport.exe', content: Buffer.from(script) },
    { name: 'rport.example.conf', content: Buffer.from('[client]\n') },
  ]);
}

export type Machine = ReturnType<typeof createMachine>;

/** A Windows of stand-ins in a directory of its own, for one test. `host` is the directory of the built host. */
export function createMachine(host: string) {
  const root = mkdtempSync(join(tmpdir(), 'rport-machine-'));
  onTestFinished(() => rmSync(root, { recursive: true }));
  const programFiles = join(root, 'Program Files');
  const standins = join(root, 'standins');
  const system = join(root, 'Windows', 'System32');
  const path = join(root, 'path');
  for (const directory of [programFiles, standins, system, path]) mkdirSync(directory, { recursive: true });
  const makeProgram = (file: string, text: string | Buffer) => writeFileSync(file, text, { mode: 0o755 });
  makeProgram(join(system, 'sc.exe'), readFileSync(join(SUPPORT, 'sc-standin.sh')));
  // powershell -ExecutionPolicy Bypass -File SCRIPT [ARGUMENT...]
  makeProgram(join(path, 'powershell'), `#!/bin/sh\nshift 3\nexec '${join(host, 'host')}' file "$@"\n`);
  const env = {
    PATH: `${path}:${process.env.PATH}`,
    HOME: process.env.HOME,
    DOTNET_ROOT: process.env.DOTNET_ROOT,
    HOST_PRELUDE: ['standins.ps1', 'cmdlets.ps1'].map((name) => join(SUPPORT, name)).join('|'),
    OS: 'Windows_NT',
    PROCESSOR_ARCHITECTURE: 'AMD64',
    ProgramFiles: programFiles,
    SystemRoot: join(root, 'Windows'),
    STANDIN_DIR: standins,
    STANDIN_UUID: MACHINE_UUID,
  };
  let scripts = 0;

  return {
    root,
    programFiles,
    client: join(programFiles, 'rport', 'rport.exe'),
    config: join(programFiles, 'rport', 'rport.conf'),
    /** Runs a script from a file, as powershell -File does. */
    runFile(script: string, args: readonly string[] = [], extra: Record<string, string> = {}, mode = 'file') {
      scripts += 1;
      const file = join(root, `rport-installer-${scripts}.ps1`);
      writeFileSync(file, script);
      return run(join(host, 'host'), [mode, file, ...args], { cwd: root, env: { ...env, ...extra } });
    },
    /** Runs PowerShell text, as powershell -Command does. */
    runText: (text: string, extra: Record<string, string> = {}) =>
      run(join(host, 'host'), ['command', text], { cwd: root, env: { ...env, ...extra } }),
    /** What was asked of Windows so far, one line a call. */
    calls: () => (existsSync(join(standins, 'calls')) ? readFileSync(join(standins, 'calls'), 'utf8') : ''),
    /** The service rport as key and value, or undefined. */
    service(): Record<string, string> | undefined {
      const file = join(standins, 'service');
      if (!existsSync(file)) return undefined;
      const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
      return Object.fromEntries(lines.map((line) => line.split(/=(.*)/s)));
    },
    /** Makes a service of another install. */
    addService: (values: Record<string, string>) =>
      writeFileSync(
        join(standins, 'service'),
        Object.entries(values)
          .map(([key, value]) => `${key}=${value}\n`)
          .join(''),
      ),
  };
}

export type Wine = Awaited<ReturnType<typeof createWine>>;

/** A fresh Windows of wine's. `host` is the directory of the host built for Windows. */
export async function createWine(host: string) {
  const prefix = mkdtempSync(join(tmpdir(), 'rport-wine-'));
  const drive = join(prefix, 'drive_c');
  const env = {
    PATH: process.env.PATH,
    HOME: process.env.HOME,
    WINEPREFIX: prefix,
    WINEDEBUG: '-all',
    // .NET's garbage collector can crash under wine: with this much room it does not run.
    DOTNET_GCgen0size: '0x30000000',
    HOST_PRELUDE: ['system.ps1', 'cmdlets.ps1']
      .map((name) => `Z:${join(SUPPORT, name).replaceAll('/', '\\')}`)
      .join('|'),
    STANDIN_UUID: MACHINE_UUID,
  };
  const wine = (args: readonly string[], options: SpawnOptions = {}) =>
    run('/usr/lib/wine/wine64', args, { env, ...options });
  const end = () => run('/usr/lib/wine/wineserver64', ['-k'], { env });
  const control = 'HKLM\\SYSTEM\\CurrentControlSet\\Control';
  for (const command of [
    ['wineboot', '-i'],
    // On a busy machine a service can need more than wine's ten seconds to start.
    ['C:\\windows\\system32\\reg.exe', 'add', control, '/v', 'ServicesPipeTimeout', '/t', 'REG_DWORD', '/d', '120000'],
  ]) {
    const { code, stderr } = await wine(command);
    if (code !== 0) throw new Error(`${command.join(' ')} failed: ${stderr}`);
  }
  // The service manager reads it when it starts.
  await end();
  const engine = (words: readonly string[], extra: Record<string, string> = {}) =>
    wine([join(host, 'host.exe'), ...words], { cwd: drive, env: { ...env, ...extra } });
  const print = async (text: string) => (await engine(['command', text])).stdout;

  return {
    programFiles: join(drive, 'Program Files'),
    /** Runs a script from a file, as powershell -File does. */
    runFile(script: string, args: readonly string[] = [], extra: Record<string, string> = {}) {
      writeFileSync(join(drive, 'rport-installer.ps1'), script);
      return engine(['file', 'C:\\rport-installer.ps1', ...args], extra);
    },
    /** State, start mode, account and command of the service rport, or `none`. */
    service: () =>
      print(
        `$service = Get-CimInstance -ClassName Win32_Service -Filter "Name='rport'"
        if ($service) { "$($service.State) $($service.StartMode) $($service.StartName) $($service.PathName)" } else { 'none' }`,
      ),
    machineGuid: async () =>
      (
        await print(
          `[Microsoft.Win32.RegistryKey]::OpenBaseKey('LocalMachine', 'Registry64').OpenSubKey('SOFTWARE\\Microsoft\\Cryptography').GetValue('MachineGuid')`,
        )
      ).trim(),
    /** Ends all that runs in it, and removes it. */
    async stop() {
      await end();
      rmSync(prefix, { recursive: true, maxRetries: 5 });
    },
  };
}
