import type { Sample } from './sample.js';

/** What a sample tells of the key's limit. */
type Told = Pick<Sample, 'sentMs' | 'limit' | 'remaining' | 'resetS'>;

/** What is known of one window of the gateway's limit. */
interface Window {
  limit: number;
  remaining: number;
  sent: number;
}

/**
 * Notices that somebody else sends with the same key: less is left of a window than what was sent here leaves.
 *
 * Within a burst Kong counts late, so that `remaining` reads too high: others may go unnoticed, but what is noticed is so.
 */
export class KeyWatch {
  /** By when they end, in minutes after the first one. */
  readonly #windows = new Map<number, Window>();
  /** Of no window: without an answer. */
  #unplaced = 0;
  #firstEnd: number | undefined;

  /** @param originMs what the sample's times count from, epoch ms */
  see({ sentMs, limit, remaining, resetS }: Told, originMs: number): void {
    if (limit === null || remaining === null || resetS === null) {
      this.#unplaced++;
      return;
    }
    const end = (originMs + sentMs) / 60_000 + resetS / 60;
    this.#firstEnd ??= end;
    // Windows of Kong are calendar minutes; its clock is not this one, and its seconds are whole.
    const key = Math.round(end - this.#firstEnd);
    const window = this.#windows.get(key) ?? { limit, remaining, sent: 0 };
    window.remaining = Math.min(window.remaining, remaining);
    window.sent++;
    this.#windows.set(key, window);
  }

  /** How many requests of others were counted in the window that had most of them. */
  get others(): number {
    const others = [...this.#windows.values()].map(({ limit, remaining, sent }) => limit - remaining - sent);
    return Math.max(0, Math.max(...others, 0) - this.#unplaced);
  }

  /** Requests a window, as the last answers told; null when none did. */
  get limit(): number | null {
    return [...this.#windows.values()].at(-1)?.limit ?? null;
  }
}
