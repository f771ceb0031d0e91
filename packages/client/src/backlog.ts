import type { Batch } from './batch.js';
import type { Clock } from './clock.js';

/** Batches that are to be sent again, before what waits in queues. A probe is never sent again. */
export class Backlog {
  readonly #clock: Clock;
  readonly #batches: Batch[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get empty(): boolean {
    return this.#batches.length === 0;
  }

  /** The earliest time to send one, by the clock; infinite where there is none. */
  get due(): number {
    return Math.min(...this.#batches.map(({ due }) => due));
  }

  /** Takes one that is due. */
  take(): Batch | undefined {
    const now = this.#clock.now();
    const at = this.#batches.findIndex(({ due }) => due <= now);
    return at < 0 ? undefined : this.#batches.splice(at, 1)[0];
  }

  /** It goes before all others. */
  first(batch: Batch): void {
    if (batch.texts.length > 0) this.#batches.unshift(batch);
  }

  /** @param ms how long it waits at least */
  later(batch: Batch, ms: number): void {
    batch.due = this.#clock.now() + ms;
    if (batch.texts.length > 0) this.#batches.push(batch);
  }

  /**
   * The first half of its texts. Whether that is served tells which one has the text to blame.
   *
   * @param both the other half too, where either may be too much by itself
   */
  halve(batch: Batch, both = false): void {
    const texts = batch.texts.filter(({ over }) => !over);
    if (texts.length === 0) return;
    const middle = Math.ceil(texts.length / 2);
    const [half, other] = [texts.slice(0, middle), texts.slice(middle)];
    this.#batches.push(batch.part(half, both ? [] : other));
    if (both && other.length > 0) this.#batches.push(batch.part(other));
  }

  /** Drops what nobody waits for any more. @returns it */
  sweep(): Batch[] {
    const dropped = this.#batches.filter(({ needed }) => !needed);
    const kept = this.#batches.filter(({ needed }) => needed);
    this.#batches.splice(0, Number.POSITIVE_INFINITY, ...kept);
    return dropped;
  }

  clear(): void {
    this.#batches.length = 0;
  }
}
