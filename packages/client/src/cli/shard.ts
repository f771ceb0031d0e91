import { ConfigError } from '../errors.js';
import type { Entry } from '../files/entries.js';

/** Every n-th document of the inputs, from the i-th on, so that shards are of one size and `merge` can tell their order. */
export class Shard {
  readonly #index: number;
  readonly #count: number;
  /** Of all shards, as far as was read. */
  documents = 0;

  /** @throws {ConfigError} for what is not `i/n` */
  constructor(shard = '1/1') {
    const [, index, count] = /^([1-9]\d{0,8})\/([1-9]\d{0,8})$/.exec(shard)?.map(Number) ?? [];
    if (!index || !count || index > count) {
      throw new ConfigError(`--shard must be i/n with i from 1 to n, e.g. 2/10, not ${shard}`);
    }
    this.#index = index;
    this.#count = count;
  }

  async *of(entries: AsyncGenerator<Entry, void, undefined>): AsyncGenerator<Entry, void, undefined> {
    for await (const entry of entries) {
      if (this.documents++ % this.#count === this.#index - 1) yield entry;
    }
  }
}
