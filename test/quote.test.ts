import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { parse } from 'smol-toml';
import { expect, test } from 'vitest';
import { htmlEscape, psQuote, shQuote, tomlString } from '../src/quote.ts';

const text = fc.string({ unit: 'binary', maxLength: 100 }).filter((value) => !value.includes('\0'));

test('a shell reads back what shQuote wrote', () => {
  fc.assert(
    fc.property(fc.array(text, { minLength: 1, maxLength: 50 }), (values) => {
      const script = `printf '%s\\0' ${values.map(shQuote).join(' ')}`;
      const { stdout } = spawnSync('sh', ['-c', script], { encoding: 'utf8' });
      expect(stdout.split('\0').slice(0, -1)).toEqual(values.map((value) => Buffer.from(value).toString()));
    }),
    { numRuns: 20 },
  );
});

test('psQuote doubles every character that PowerShell takes for a single quote', () => {
  expect(psQuote("a'\u2018\u2019\u201a\u201bb")).toBe("'a''\u2018\u2018\u2019\u2019\u201a\u201a\u201b\u201bb'");
});

test('a TOML parser reads back what tomlString wrote, in ASCII without control characters', () => {
  fc.assert(
    fc.property(text, (value) => {
      const encoded = tomlString(value);
      expect(encoded).toMatch(/^[ -~]*$/);
      expect(parse(`value = ${encoded}`).value).toBe(value);
    }),
  );
});

test('htmlEscape leaves nothing that ends a text or an attribute', () => {
  expect(htmlEscape(`<a b='c' d="e">&amp;`)).toBe('&#60;a b=&#39;c&#39; d=&#34;e&#34;&#62;&#38;amp;');
});

test('what cannot be quoted is refused, not changed', () => {
  expect(() => shQuote('\0')).toThrow(RangeError);
  expect(() => psQuote('\0')).toThrow(RangeError);
  expect(() => tomlString('\ud800')).toThrow(RangeError);
});
