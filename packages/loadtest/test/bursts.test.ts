import { PassThrough } from 'node:stream';
import { expect, test, vi } from 'vitest';
import { Progress } from '../src/cli/progress.js';
import { runBursts } from '../src/load/bursts.js';
import { Requests } from '../src/load/requests.js';
import { Recorder } from '../src/run/run-file.js';
import { INFO } from './report/run.js';
import { answerNer, listen } from './server.js';

test('a step of the clock moves no release', async () => {
  const arrivals: number[] = [];
  const real = Date.now;
  await using server = await listen((response) => {
    arrivals.push(performance.now());
    // Somebody sets the clock while the first burst is under way: an hour forth.
    vi.spyOn(Date, 'now').mockImplementation(() => real() + 3_600_000);
    answerNer(response, false);
  });
  const recorder = new Recorder({ ...INFO, n: 1, bursts: 2 });
  const load = {
    apiKey: 'k',
    requests: Requests.of('x'),
    n: 1,
    bursts: 2,
    everyMs: 1000,
    cold: { by: 'none' } as const,
  };
  const progress = new Progress(new PassThrough().resume());
  await runBursts({ ...load, sides: [{ url: server.url, recorder }], progress, onSample: () => {}, onQuiet: () => {} });
  progress.end();
  vi.restoreAllMocks();
  expect(recorder.run.samples.length).toBe(2);
  // A busy machine may be late, nobody is early by more than the way to the server.
  expect((arrivals[1] ?? 0) - (arrivals[0] ?? 0)).toBeGreaterThan(800);
});
