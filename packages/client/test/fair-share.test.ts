import { describe, expect, it } from 'vitest';
import { fleet } from '../../../bench/client/fleet.mjs';
import { NerClient } from '../src/index.js';

/** From the third window on, of what the limit lets through with the longest requests. */
const good = ({ used, refused, poorest, failed }: Awaited<ReturnType<typeof fleet>>) =>
  expect({ used, refused, poorest, failed }).toEqual({
    used: expect.toSatisfy((it) => it >= 0.85),
    refused: expect.toSatisfy((it) => it <= 0.03),
    poorest: expect.toSatisfy((it) => it >= 0.5),
    failed: 0,
  });

describe('several clients on one key that know nothing of each other', () => {
  it.each([2, 4, 10, 25, 40])('%i share the limit fairly', async (workers) => {
    good(await fleet({ NerClient, workers, windows: 2 }));
  });

  it('share it too when they begin one after another', async () => {
    good(await fleet({ NerClient, workers: 4, windows: 2, startMs: (worker) => 37_000 * worker, from: 280_000 }));
  });

  it('share other limits, too', async () => {
    good(await fleet({ NerClient, workers: 7, limit: 60, windows: 2 }));
    good(await fleet({ NerClient, workers: 3, limit: 300, slots: 10, windows: 2 }));
  });

  it.each([1, 2])('share it too with %i at once, which a request of seconds keeps busy', async (slots) => {
    good(await fleet({ NerClient, workers: 10, slots, windows: 2 }));
  });

  it('leave nothing unused when one of them ends', async () => {
    good(
      await fleet({
        NerClient,
        workers: 5,
        windows: 2,
        endMs: (worker) => (worker < 4 ? 150_000 : undefined),
        from: 340_000,
        expect: 1,
      }),
    );
  });

  it('are never refused when each has its share', async () => {
    const { used, refused } = await fleet({ NerClient, workers: 10, share: 0.1, windows: 2 });
    expect(refused).toBe(0);
    expect(used).toBeGreaterThan(0.95);
  });
});
