import { whenAborted } from '../abort.js';
import type { Clock } from '../clock.js';

/**
 * A clock whose time passes only when nothing else is left to do: then the earliest sleep ends. What waits for a socket
 * does not hold it up.
 */
export class VirtualClock implements Clock {
  /** Every sleep that was asked for, in ms. */
  readonly sleeps: number[] = [];
  readonly #random: () => number;
  #now = 0;
  #ticking = false;
  /** Earliest first. */
  readonly #timers: { at: number; end: () => void }[] = [];

  /** @param random what chance gives, in [0, 1) */
  constructor(random: number | (() => number) = 0.5) {
    this.#random = typeof random === 'number' ? () => random : random;
  }

  /** ms since this clock was made. */
  now(): number {
    return this.#now;
  }

  random(): number {
    return this.#random();
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    this.sleeps.push(ms);
    await new Promise<void>((resolve, reject) => {
      const end = () => {
        forget();
        resolve();
      };
      const timer = { at: this.#now + Math.max(0, ms), end };
      const forget = whenAborted(signal, () => {
        this.#timers.splice(this.#timers.indexOf(timer), 1);
        reject(signal?.reason);
      });
      const later = this.#timers.findLastIndex(({ at }) => at <= timer.at);
      this.#timers.splice(later + 1, 0, timer);
      this.#tick();
    });
  }

  #tick(): void {
    if (this.#ticking || this.#timers.length === 0) return;
    this.#ticking = true;
    // By then everything that promises had to do is done.
    setImmediate(() => {
      this.#ticking = false;
      const timer = this.#timers.shift();
      if (timer) {
        this.#now = Math.max(this.#now, timer.at);
        timer.end();
      }
      this.#tick();
    });
  }
}
