import { readFileSync } from 'node:fs';
import { Eta } from 'eta';

/**
 * Compiles the template `path` of templates/. Every value goes through `escapeValue`, which throws on what is no text: a
 * name that does not exist must not become `undefined` in a script or page. Throws when it cannot be read or compiled.
 */
export function compileTemplate<Values extends object>(
  path: string,
  escapeValue: (value: unknown) => string,
): (values: Values) => string {
  const eta = new Eta({ autoTrim: false, escapeFunction: escapeValue });
  const template = eta.compile(readFileSync(new URL(`../templates/${path}`, import.meta.url), 'utf8'));
  return (values) => eta.render(template, values);
}
