import type { Clock } from '../src/index.js';

/** Time that passes only in sleep; chance is fixed. */
export class VirtualClock implements Clock {
  readonly sleeps: number[] = [];
  readonly #random: number;
  #now = 0;

  constructor(random = 0.5) {
    this.#random = random;
  }

  now(): number {
    return this.#now;
  }

  random(): number {
    return this.#random;
  }

  async sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    this.sleeps.push(ms);
    this.#now += ms;
  }
}
