import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { selfcheck } from '../src/load/selfcheck.js';
import { answerNer, listen } from './server.js';

const CLI = fileURLToPath(new URL('../dist/cli.js', import.meta.url));

/** A server that says it kept each request so many ms. */
async function claiming(heldMs: number, busy: number) {
  await using server = await listen((response) => answerNer(response, false));
  const truth = { url: server.url, hold: async () => {}, held: async () => [heldMs], close: async () => {} };
  return await selfcheck(truth, busy);
}

test('what is read too long is said, for each size of burst', async () => {
  const { bursts, problems } = await claiming(-100, 0);
  expect(bursts.map(({ n }) => n)).toEqual([5, 20, 100]);
  for (const { errorMs, resolvesMs, spreadMs } of bursts) {
    expect(errorMs).toBeGreaterThan(100);
    expect(resolvesMs).toBeGreaterThan(0);
    expect(spreadMs).toBeGreaterThan(0);
  }
  expect(problems).toContainEqual(expect.stringMatching(/^latencies of 20 at once read 1\d\d\.\d ms too long/));
});

test('a machine that others use is a problem, one that they leave alone is none', async () => {
  const busy = 'other programs use 90 % of this machine: end them, or measure from another';
  expect((await claiming(1000, 0.9)).problems).toContain(busy);
  expect((await claiming(1000, 0.1)).problems.filter((problem) => problem.startsWith('other'))).toEqual([]);
});

test('the command measures against a server of its own, and its exit code says what came of it', async () => {
  const { code, stdout } = await new Promise<{ code: unknown; stdout: string }>((resolve) => {
    execFile(process.execPath, [CLI, 'selfcheck', '--json'], (error, stdout) =>
      resolve({ code: error?.code ?? 0, stdout }),
    );
  });
  const { bursts, problems } = JSON.parse(stdout);
  for (const { errorMs } of bursts) expect(errorMs).toBeTypeOf('number');
  expect(code).toBe(problems.length > 0 ? 1 : 0);
});
