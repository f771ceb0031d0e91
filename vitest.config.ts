import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['packages/*/test/**/*.test.ts', 'test/**/*.test.ts', 'infra/tests/**/*.test.ts', 'kong/**/*.test.ts'],
    globalSetup: 'test/temporary.ts',
    // Much of the time is waiting: for clocks of seconds, processes, sockets.
    maxWorkers: '100%',
    // Only for what hangs: no test is timed, and a machine that is busy with other work takes several times as long.
    testTimeout: 600_000,
    hookTimeout: 600_000,
    expect: { poll: { timeout: 120_000, interval: 10 } },
  },
});
