import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // The installer and container tests start real programs; a stuck one must end, a slow machine must not fail.
    testTimeout: 120_000,
    hookTimeout: 300_000,
  },
});
