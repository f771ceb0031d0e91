import type { Sample } from '../run/sample.js';

/** What a sample tells of the key's limit. */
type Told = Pick<Sample, 'sentMs' | 'outcome' | 'limit' | 'remaining' | 'resetS'>;

/** What the gateway admitted in one calendar minute of its own. */
export interface Window {
  /** Answers that passed the rate limit. A request without an answer may have passed it too. */
  admitted: number;
  /** Answers `kong-429`, which Kong does not count. */
  refused: number;
  /** What the key may send in it. More admitted is over-admission. */
  limit: number;
  /** The least that any answer told to be left of it. */
  remaining: number;
}

const WINDOW_MS = 60_000;

/**
 * Tells the windows of a key's limit apart by when each ends: `ratelimit-reset`, whole seconds, after the request was
 * sent. The ends lie whole minutes apart, whatever the gateway's clock says, give or take that second and the way to it.
 */
export class Windows {
  /** By when they end, in minutes after the first one. */
  readonly #found = new Map<number, Window>();
  #firstEndMs: number | undefined;
  /** Of no window, and perhaps counted by the gateway. */
  #unplaced = 0;

  /** @param originMs what the sample's times count from, epoch ms; undefined when nobody knows */
  see({ sentMs, outcome, limit, remaining, resetS }: Told, originMs: number | undefined): void {
    if (limit === null || resetS === null || originMs === undefined) {
      if (outcome !== 'kong-429') this.#unplaced++;
      return;
    }
    const endMs = originMs + sentMs + resetS * 1000;
    this.#firstEndMs ??= endMs;
    const which = Math.round((endMs - this.#firstEndMs) / WINDOW_MS);
    const window = this.#found.get(which) ?? { admitted: 0, refused: 0, limit, remaining: limit };
    if (outcome === 'kong-429') window.refused++;
    else window.admitted++;
    window.remaining = Math.min(window.remaining, remaining ?? limit);
    this.#found.set(which, window);
  }

  inOrder(): Window[] {
    return [...this.#found].sort(([a], [b]) => a - b).map(([, window]) => window);
  }

  /**
   * How many requests of others with the same key were counted in the window that had most of them: less is left than
   * what was sent here leaves. Within a burst Kong counts late, so that `remaining` reads too high: others may go
   * unnoticed, but what is noticed is so.
   */
  get others(): number {
    const others = [...this.#found.values()].map(({ limit, remaining, admitted }) => limit - remaining - admitted);
    return Math.max(0, Math.max(...others, 0) - this.#unplaced);
  }

  /** Requests a window, as the last answers told; null when none did. */
  get limit(): number | null {
    return [...this.#found.values()].at(-1)?.limit ?? null;
  }
}
