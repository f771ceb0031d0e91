import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import { expect, test } from 'vitest';
import { startEmulator } from '../../emulator/src/index.js';
import { type PlanRow, planFrom } from '../src/plan/plan.js';
import { agreement, loadEmulator, type Validation, validate } from '../src/plan/validate.js';
import { validationReport } from '../src/report/planned.js';
import { Pool } from '../src/statistics/pool.js';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const python = path.join(ROOT, 'packages/service/.venv/bin/python');
const FEED = {
  warm: Pool.of([300]),
  cold: Pool.of([1800]),
  billedMs: { warm: 300, cold: 1800 },
  billedByReport: false,
};

test('the emulator, driving a function that waits as long as a run’s, agrees with the plan', async () => {
  const rows = planFrom(FEED, { n: [4], provisioned: [1], reserved: 3 });
  const [found, ...others] = await validate(FEED, rows, { startEmulator, python, bursts: 2 });
  if (!found) throw new Error('nothing was validated');
  expect(others).toEqual([]);
  const { counts } = found;
  expect(Object.entries(counts).map(([fate, { predicted, measured }]) => [fate, ...predicted, measured])).toEqual([
    ['warm', 2, 2, 2],
    ['cold', 4, 4, 4],
    ['kong-429', 0, 0, 0],
    ['lambda-429', 2, 2, 2],
    ['failed', 0, 0, 0],
  ]);
  // The function waits as long as it should, and what keeps its environment busy for longer is taken off again.
  expect(found.p95.value).toBeGreaterThanOrEqual(1790);
  expect(found.ownMs).toBeGreaterThan(0);
  expect((found.p50.value ?? 0) - found.ownMs).toBeLessThan(1800 + 400);
});

const [ROW] = planFrom(FEED, { n: [4], provisioned: [1], reserved: 3 });
const measured = (value: number, lower: number | null = value, upper: number | null = value): Validation => ({
  row: ROW as PlanRow,
  p50: { p: 0.5, value: 1800, lower: 1800, upper: 1800, needed: 6, worth: 6, warning: null },
  p95: { p: 0.95, value, lower, upper, needed: 72, worth: 72, warning: null },
  counts: {
    warm: { predicted: [1, 1], measured: 1 },
    cold: { predicted: [2, 2], measured: 2 },
    'kong-429': { predicted: [0, 0], measured: 0 },
    'lambda-429': { predicted: [0, 1], measured: 1 },
    failed: { predicted: [0, 0], measured: 0 },
  },
  ownMs: 12,
});

test('it agrees with the same counts, and an interval within 5 % and the emulator’s own time', () => {
  expect(agreement(measured(1902))).toBe('agrees');
  expect(agreement(measured(1903))).toBe('differs');
  expect(agreement(measured(1709))).toBe('differs');
  // An end that is missing neither agrees nor hides that the other one differs.
  expect(agreement(measured(1800, null))).toBe('undecided');
  expect(agreement(measured(1800, 1800, null))).toBe('undecided');
  expect(agreement(measured(1903, 1903, null))).toBe('differs');
  const differs = measured(1800);
  differs.counts.cold.measured = 1;
  differs.counts.failed.measured = 1;
  expect(agreement(differs)).toBe('differs');
  const text = stripVTControlCharacters(validationReport([{ ...differs, agreement: 'differs' }]));
  expect(text).toMatch(
    /^4 +1 .+ 1\.80 s : 1\.80 s \(\+0\.0 %\) +warm 1 : 1, cold 2 : 1, lambda-429 0–1 : 1, failed 0 : 1 +12\.0 ms +differs$/m,
  );
});

test('without the emulator, or its Python, it is one sentence', async () => {
  await expect(loadEmulator('@burst-ner/not-there')).rejects.toThrow(
    '--validate needs @burst-ner/not-there, which is not installed here',
  );
  const rows = planFrom(FEED, { n: [1], provisioned: [0] });
  await expect(validate(FEED, rows, { startEmulator, python: '/nowhere/python' })).rejects.toThrow(
    /^The emulator does not start: no Python at \/nowhere\/python.+\.$/,
  );
});
