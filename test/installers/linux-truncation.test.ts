import { expect, test } from 'vitest';
import { usePairings } from '../support/pairing.ts';
import { describeWith } from '../support/requirements.ts';
import { ROOT_TOOLS, SHELL_NAMES, SHELLS } from '../support/root.ts';

/**
 * Feeds its standard input to a shell, cut to every length below $ARGV[0] that leaves the rest $ARGV[1] when divided by
 * $ARGV[2]. Prints the lengths at which the shell exits 0; what the shells print goes to /run/stdout and /run/stderr.
 */
const RUN_CUT = `
use strict;
my ($end, $rest, $divisor, @shell) = @ARGV;
my $script = do { local $/; <STDIN> };
open my $result, '>&', \\*STDOUT or die;
open STDOUT, '>>', '/run/stdout' or die;
open STDERR, '>>', '/run/stderr' or die;
$SIG{PIPE} = 'IGNORE';
for (my $length = $rest; $length < $end; $length += $divisor) {
  my $child = open(my $pipe, '|-') // die;
  if (!$child) {
    # ksh93 never ends where a here-document is cut off at its first byte.
    alarm 5;
    exec @shell;
  }
  print $pipe substr($script, 0, $length);
  close $pipe;
  print $result "$length\\n" if $? == 0;
}`;

describeWith(ROOT_TOOLS, 'the Linux installer, cut off at any byte,', () => {
  const pairings = usePairings();

  // dash, which is quick, gets every length; each of the others gets lengths of its own, some five hundred.
  const shares = SHELL_NAMES.map((shell, index) =>
    shell === 'dash' ? { shell, rest: 0, divisor: 1 } : { shell, rest: index, divisor: 48 },
  );

  test.each(shares)(
    'does nothing in $shell, and fails',
    async ({ shell, rest, divisor }) => {
      const root = await pairings.root();
      const script = await pairings.installer();
      // Without its last brace it is cut off; without the line break after it, whole.
      const args = [script.lastIndexOf('}') + 1, rest, divisor].map(String);
      const result = await root.run(['perl', '-e', RUN_CUT, ...args, ...SHELLS[shell], '-s', '--', '-x'], {
        input: script,
      });
      expect(result).toMatchObject({ code: 0, stderr: '' });
      expect(root.changes()).toEqual([]);
      expect(await root.sh('cat /run/stdout')).toBe('');
      // Up to its opening brace it holds nothing but comments, and an empty script is no error.
      const successes = result.stdout.trim().split('\n').map(Number);
      expect(successes.filter((length) => length > script.indexOf('\n{\n') + 1)).toEqual([]);
      expect(successes.length).toBeGreaterThan(0);
    },
    600_000,
  );
});
