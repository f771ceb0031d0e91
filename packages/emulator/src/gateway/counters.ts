/** Requests counted in the current window of each budget. */
export class Counters {
  readonly #windows = new Map<string, { start: number; count: number }>();

  /** @param start when the window began, epoch s */
  count(budget: string, start: number): number {
    const window = this.#windows.get(budget);
    return window?.start === start ? window.count : 0;
  }

  /** Counts one request in the window that began at `start`, unless a later window has begun. */
  increment(budget: string, start: number): void {
    const window = this.#windows.get(budget);
    if (!window || window.start < start) this.#windows.set(budget, { start, count: 1 });
    else if (window.start === start) window.count += 1;
  }
}
