import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // By default one on two cores; the suites wait for other programs more than they compute.
    maxWorkers: 2,
    // The installer and container tests start real programs; a stuck one must end, a slow machine must not fail.
    testTimeout: 120_000,
    hookTimeout: 300_000,
  },
});
