import { expect, test } from 'vitest';
import { planReport } from '../src/cli/report.js';
import { forecast, pricesNear, spent } from '../src/forecast.js';
import { planOnPaper } from '../src/plan.js';

const size = { memoryMb: 2048, arch: 'arm64', region: 'us-east-1' } as const;
const speed = { perByteMs: 0.001, perPartMs: 100, initMs: 500, measured: true };

test('each part goes to the environment that is free first', () => {
  // 500 + (100 + 3000) + (100 + 1000), and 500 + (100 + 2000) + (100 + 2000)
  const { seconds } = forecast([3e6, 2e6, 2e6, 1e6], { documents: 8000, characters: 8e6 }, speed, 2, size);
  expect(seconds).toBeCloseTo(4.7);
});

test('the dollars are those of the list', () => {
  const { usd, fargate, kong } = forecast([36e6], { documents: 36_000, characters: 36e6 }, speed, 50, size);
  // 36.6 s of 2 GB at 0.0000133334, and a request
  expect(usd.lambda).toBeCloseTo(36.6 * 2 * 0.0000133334 + 0.0000002, 7);
  expect(usd.states).toBeCloseTo(4 * 0.000025, 9);
  expect(usd.s3).toBeCloseTo(2 * 0.000005 + (36e6 / 2 ** 21 + 1) * 0.0000004, 9);
  expect(usd.total).toBeCloseTo(usd.lambda + usd.states + usd.s3, 9);
  expect(kong.requests).toBe(144);
  expect(kong.usd).toBeLessThan(usd.total);
  expect(fargate.hours).toBeCloseTo(36.1 / 3600);
});

test('a region that the price lists do not have is planned at the prices of another, which the plan says', () => {
  const somewhere = { ...size, region: 'il-central-1' };
  const there = forecast([36e6], { documents: 36_000, characters: 36e6 }, speed, 50, somewhere);
  const here = forecast([36e6], { documents: 36_000, characters: 36e6 }, speed, 50, size);
  expect(there).toEqual({ ...here, pricesOf: 'us-east-1' });
  expect(planReport(planOnPaper({ documents: 1, characters: 1 }, { concurrency: 1, size: somewhere }))).toContain(
    'list prices of us-east-1, as none of il-central-1 are known;',
  );
  // Nor is such a run one that cannot be followed.
  expect(spent([{ ms: 1000, memoryMb: 1024, arch: 'arm64' }], pricesNear('il-central-1'))).toBeGreaterThan(0);
});

test('a plan on paper has an end', () => {
  const most = { documents: 999_999_999_999, characters: 999_999_999_999 };
  expect(() => planOnPaper(most, { concurrency: 50, size })).toThrow('A plan on paper goes up to 32 TB;');
});

test('what is spent is counted by what the objects tell', () => {
  const one = { ms: 36_600, memoryMb: 2048, arch: 'arm64' } as const;
  expect(spent([one, one], pricesNear('us-east-1'))).toBeCloseTo(
    2 * (36.6 * 2 * 0.0000133334 + 0.0000002 + 0.0001 + 0.00001),
    6,
  );
});
