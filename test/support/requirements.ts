import { spawnSync } from 'node:child_process';
import { describe } from 'vitest';

type SuiteBody = () => void;

function isInstalled(tool: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${tool}`]).status === 0;
}

function missing(requirements: readonly string[]): string[] {
  return requirements.filter((requirement) =>
    requirement === 'root' ? process.getuid?.() !== 0 : !isInstalled(requirement),
  );
}

/**
 * A suite that needs programs on the PATH, or `root`. Where one is missing the suite is skipped with the reason in its
 * name; with `CI=true` it runs regardless, and fails: nothing may be skipped there.
 */
export function describeWith(requirements: readonly string[], name: string, body: SuiteBody): void {
  const absent = missing(requirements);
  if (absent.length === 0 || process.env.CI === 'true') {
    describe(name, body);
  } else {
    describe.skip(`${name} (skipped: needs ${absent.join(', ')})`, body);
  }
}
