import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readConfig } from '../src/config.ts';
import { createRender } from '../src/render.ts';

const render = createRender(readConfig({}));

test.each(['sh', 'ps1'] as const)('a rendered %s installer is pure ASCII, whatever the deposit', (dialect) => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), (clientId, password) => {
      const deposit = { connectUrl: 'https://rport.example.com/', fingerprint: '', clientId, password };
      expect(render.installer(dialect, deposit)).toMatch(/^[\n\t -~]*$/);
    }),
  );
});
