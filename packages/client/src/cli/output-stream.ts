import type { Entry } from '../files/entries.js';
import type { OutputFormat } from './jsonl.js';
import type { Todo } from './output.js';
import { type OutputRecord, unusable } from './record.js';

/** Standard output. Never resumed. */
export class OutputStream {
  readonly before = { documents: 0, failed: 0 };
  readonly #format: OutputFormat;
  #header: string;
  model: string | undefined;

  constructor(format: OutputFormat) {
    this.#format = format;
    this.#header = format.header;
    // write() tells the same error to whoever waits for it.
    process.stdout.removeAllListeners('error').on('error', () => {});
  }

  todo(entries: AsyncGenerator<Entry, void, undefined>): AsyncGenerator<Todo, void, undefined> {
    return entries;
  }

  async write(record: OutputRecord): Promise<void> {
    const text = this.#header + this.#format.toText(record);
    this.#header = '';
    this.model = record.model ?? this.model;
    await new Promise<void>((resolve, reject) => {
      process.stdout.write(text, (error) => (error ? reject(unusable('standard output', error)) : resolve()));
    });
  }

  async close(): Promise<void> {}
}
