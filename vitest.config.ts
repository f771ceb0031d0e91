import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['packages/*/test/**/*.test.ts', 'test/**/*.test.ts', 'infra/tests/**/*.test.ts', 'kong/**/*.test.ts'],
    globalSetup: 'test/temporary.ts',
    // Much of the time is waiting: for clocks of seconds, processes, sockets.
    maxWorkers: '100%',
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
