import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { usePairings } from '../support/pairing.ts';
import { describeWith } from '../support/requirements.ts';
import { ROOT_TOOLS, SHELL_NAMES, SHELLS } from '../support/root.ts';

const PASSWORD = 'Xk7-not-for-your-eyes';

describeWith([...ROOT_TOOLS, 'strace'], 'the password', () => {
  const pairings = usePairings();

  test.each(SHELL_NAMES)(
    'is in no argument, no environment, no output and no file that others can read, by %s',
    async (shell) => {
      const root = await pairings.root();
      const script = await pairings.installer({ password: PASSWORD });
      const directory = mkdtempSync(join(tmpdir(), 'rport-trace-'));
      const trace = join(directory, 'trace');
      // The service is stopped at the end, since strace waits for every process.
      const install = '"$@" -s -- -x -s -r -b -i; code=$?; rc-service -q rport stop; exit $code';
      const strace = [
        'strace',
        '-f',
        '-v',
        '-s',
        '65536',
        '-e',
        'trace=execve,openat,umask,chmod,fchmodat',
        '-o',
        trace,
      ];
      const result = await root.run(['sh', '-c', install, 'sh', ...SHELLS[shell]], { input: script, under: strace });
      const calls = readFileSync(trace, 'utf8').split('\n');
      rmSync(directory, { recursive: true });

      expect(result).toMatchObject({ code: 0, stderr: '' });
      expect(result.stdout).not.toContain(PASSWORD);
      const executions = calls.filter((call) => call.includes('execve('));
      expect(executions.length).toBeGreaterThan(50);
      expect(executions.filter((call) => call.includes(PASSWORD))).toEqual([]);

      // From its first step on, whatever the installer makes is for root alone, until it is given its mode.
      const steps = calls.slice(calls.findIndex((call) => call.includes('umask(077)')) + 1);
      const config = steps.filter((call) => /openat\(.*"\/etc\/rport\/\.rport\.\w+", .*O_CREAT/.test(call));
      expect(config.length).toBeGreaterThan(0);
      expect(config.filter((call) => !call.includes('O_EXCL, 0600)'))).toEqual(
        // The shell opens again what mktemp has made.
        config.filter((call) => /O_TRUNC, 0666\)/.test(call)),
      );
      const readable = await root.sh(
        `grep -rlF ${PASSWORD} / --exclude-dir=proc --exclude-dir=sys --exclude-dir=dev || :`,
      );
      expect(readable).toBe('/etc/rport/rport.conf\n');
      expect(await root.sh('stat -c "%a %U:%G" /etc/rport/rport.conf')).toBe('600 rport:rport\n');
    },
  );
});
