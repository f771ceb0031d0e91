import { type BurstInfo, type Run, RunFile, type RunInfo } from './run-file.js';
import type { Sample } from './sample.js';
import { Samples } from './samples.js';

/** Keeps a run as it is measured: in memory, and in its file when it has one. */
export class Recorder {
  readonly run: Run;
  readonly #file: RunFile | undefined;

  /** @throws {InputError} when the file cannot be written */
  constructor(info: RunInfo, file?: string) {
    this.run = { info, samples: new Samples(), bursts: [], end: null };
    this.#file = file === undefined ? undefined : new RunFile(file, info);
  }

  /** @throws {InputError} when the file can no longer be written; what came before is kept in memory all the same */
  samples(samples: readonly Sample[]): void {
    for (const sample of samples) this.run.samples.push(sample);
    this.#file?.samples(samples);
  }

  /** @throws {InputError} as above */
  burst(burst: BurstInfo): void {
    this.run.bursts.push(burst);
    this.#file?.burst(burst);
  }

  /** @throws {InputError} as above */
  end(reason: 'complete' | 'interrupted'): void {
    this.run.end = reason;
    this.#file?.end(reason);
  }
}
