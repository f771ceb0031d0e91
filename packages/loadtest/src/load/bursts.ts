import type { Progress } from '../cli/progress.js';
import { formatDuration, formatMs } from '../report/quantity.js';
import type { Recorder } from '../run/run-file.js';
import { OUTCOMES, type Sample, STARTS } from '../run/sample.js';
import { runBurst } from './burst.js';
import { pause } from './clock.js';
import { type Cold, makeCold } from './cold.js';
import type { Load } from './requests.js';

/** One target of a run of bursts. */
export interface Side {
  url: URL;
  recorder: Recorder;
}

export interface BurstsOptions extends Omit<Load, 'url'> {
  /** One target, or two whose bursts alternate. */
  sides: readonly Side[];
  n: number;
  /** A side. */
  bursts: number;
  /** From one release to the next, ms. Where a burst takes longer, the next follows at once. */
  everyMs: number;
  cold: Cold;
  progress: Progress;
  /** Sees each sample once it is recorded, and when its times count from, epoch ms. What it throws ends the run. */
  onSample: (sample: Sample, url: URL, originMs: number) => void;
  /** Called when nothing is under way. */
  onQuiet: () => void;
}

/** How long before its release a burst opens its connections, ms: enough for a few hundred TLS handshakes. */
const CONNECT_MS = 2000;

/**
 * Fires bursts at an interval. What a burst measured is recorded as soon as the burst is over.
 *
 * @throws {InputError} when it cannot go on; what was recorded stays
 */
export async function runBursts(options: BurstsOptions): Promise<void> {
  const { sides, bursts, everyMs, cold, progress, onSample, onQuiet, ...load } = options;
  const { signal } = load;
  const of = bursts * sides.length;
  let releaseAt = cold.by === 'idle' ? performance.now() + everyMs : 0;
  for (let at = 0; at < of; at++) {
    const { url, recorder } = sides[at % sides.length] as Side;
    const burst = Math.floor(at / sides.length);
    const name = `burst ${at + 1} of ${of}${sides.length > 1 ? `, ${'AB'[at % 2]}` : ''}`;
    if (cold.by === 'restart' || cold.by === 'config-bump') {
      progress.still(() => `${name}: making the function cold (${cold.by}) …`);
      await makeCold(cold, signal);
    }
    const left = () => releaseAt - performance.now();
    if (left() > 0)
      progress.still(
        () => `${name}: in ${formatDuration(1000 * Math.ceil(left() / 1000))}; Ctrl-C keeps what was measured`,
      );
    await pause(left() - CONNECT_MS, signal);
    if (signal?.aborted) return;
    progress.still(() => `${name}: waiting for answers …`);
    const fired = await runBurst({ ...load, url, burst, releaseAt });
    releaseAt = fired.firedAt + everyMs;
    // By a clock that nobody sets while the run goes on: windows of the rate limit are told apart by it.
    const releasedAt = performance.timeOrigin + fired.firedAt;
    recorder.samples(fired.samples);
    recorder.burst({ burst, releasedAt: new Date(releasedAt).toISOString(), spreadMs: fired.spreadMs });
    progress.line(`${name}: ${outcomesOf(fired.samples)}; first bytes within ${formatMs(fired.spreadMs)}`);
    for (const sample of fired.samples) onSample(sample, url, releasedAt);
    onQuiet();
    if (signal?.aborted) return;
  }
}

/** 18 ok (12 cold, 6 warm), 2 timeout. */
function outcomesOf(samples: readonly Pick<Sample, 'outcome' | 'start'>[]): string {
  const count = (of: (sample: Pick<Sample, 'outcome' | 'start'>) => boolean) => samples.filter(of).length;
  const starts = STARTS.map((start) => [count((s) => s.outcome === 'ok' && s.start === start), start] as const);
  const outcomes = OUTCOMES.map((outcome) => [count((s) => s.outcome === outcome), outcome] as const);
  const list = (parts: readonly (readonly [number, string])[]) =>
    parts
      .filter(([n]) => n > 0)
      .map(([n, what]) => `${n} ${what}`)
      .join(', ');
  return list(outcomes.map(([n, what]) => [n, what === 'ok' ? `ok (${list(starts)})` : what]));
}
