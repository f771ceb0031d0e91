/**
 * Time that passes only when nothing else is left to do: then the earliest sleep ends. What waits for a socket does not
 * hold it up.
 */
export class VirtualClock {
  /** Every sleep that was asked for, in ms. @type {number[]} */
  sleeps = [];
  /** How many sleeps have neither ended nor been aborted. */
  get pending() {
    return this.#timers.length;
  }

  #now = 0;
  #random;
  #ticking = false;
  /** Earliest first. @type {{ at: number, end: () => void }[]} */
  #timers = [];

  /** @param {number | (() => number)} random what chance gives, in [0, 1) */
  constructor(random = 0.5) {
    this.#random = typeof random === 'number' ? () => random : random;
  }

  /** @returns {number} ms since this clock was made */
  now() {
    return this.#now;
  }

  /** @returns {number} */
  random() {
    return this.#random();
  }

  /**
   * @param {number} ms
   * @param {AbortSignal} [signal]
   * @returns {Promise<void>}
   */
  async sleep(ms, signal) {
    signal?.throwIfAborted();
    this.sleeps.push(ms);
    await new Promise((resolve, reject) => {
      const timer = { at: this.#now + Math.max(0, ms), end: () => resolve(undefined) };
      const onAbort = () => {
        this.#timers.splice(this.#timers.indexOf(timer), 1);
        reject(signal?.reason);
      };
      if (signal) {
        signal.addEventListener('abort', onAbort, { once: true });
        timer.end = () => {
          signal.removeEventListener('abort', onAbort);
          resolve(undefined);
        };
      }
      const later = this.#timers.findLastIndex(({ at }) => at <= timer.at);
      this.#timers.splice(later + 1, 0, timer);
      this.#tick();
    });
  }

  #tick() {
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

/**
 * Lets the timers and the Date of libraries that bring their own time follow `clock` until `work` is done.
 *
 * @template T
 * @param {VirtualClock} clock
 * @param {number} epoch what Date.now() gives when the clock shows 0
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function inTimeOf(clock, epoch, work) {
  const { setTimeout, clearTimeout, setInterval, clearInterval } = globalThis;
  const now = Date.now;
  const start =
    (/** @type {boolean} */ again) =>
    (/** @type {() => void} */ run, ms = 0) => {
      const timer = new AbortController();
      const sleep = async () => {
        do {
          await clock.sleep(Math.max(1, ms), timer.signal);
          run();
        } while (again);
      };
      sleep().catch((error) => {
        if (!timer.signal.aborted) throw error;
      });
      return Object.assign(timer, { ref: () => timer, unref: () => timer });
    };
  const stop = (/** @type {AbortController | undefined} */ timer) => timer?.abort();
  Object.assign(globalThis, {
    setTimeout: start(false),
    clearTimeout: stop,
    setInterval: start(true),
    clearInterval: stop,
  });
  Date.now = () => epoch + clock.now();
  try {
    return await work();
  } finally {
    Object.assign(globalThis, { setTimeout, clearTimeout, setInterval, clearInterval });
    Date.now = now;
  }
}

/**
 * Chance that is the same in every run (mulberry32).
 *
 * @param {number} seed
 * @returns {() => number} numbers in [0, 1)
 */
export function seeded(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
