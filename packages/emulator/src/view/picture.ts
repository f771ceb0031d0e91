import type { Emulator } from '../index.js';
import type { EnvironmentState } from '../lambda/environment.js';
import type { Tally } from './tally.js';

/** What there is to see at one moment, on a terminal or on the page. Never a key or a text. */
export interface Picture {
  endpoint: string;
  runtime: string;
  /** Since the start, in ms. */
  upMs: number;
  /** Epoch ms. */
  now: number;
  /** Reserved concurrency. */
  reserved: number;
  environments: readonly EnvironmentState[];
  tally: Pick<
    Tally,
    'answers' | 'limited' | 'throttled' | 'failed' | 'broken' | 'coldStarts' | 'last' | 'budget' | 'seconds' | 'news'
  >;
}

export function takePicture(emulator: Emulator, tally: Tally, reserved: number): Picture {
  const { endpoint, runtime } = emulator;
  const [upMs, now] = [performance.now() - tally.started, Date.now()];
  return { endpoint, runtime, upMs, now, reserved, tally, environments: emulator.environments() };
}
