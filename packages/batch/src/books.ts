import * as z from 'zod';
import type { Account } from './account.js';
import { BatchError } from './errors.js';
import { Part } from './parts.js';
import { BOOKS, type Place, placeName } from './place.js';

export const OFFSETS = ['utf-16', 'code-points'] as const;
export type Offsets = (typeof OFFSETS)[number];

/** What every part is done with. */
const Work = z.object({
  in: z.object({ bucket: z.string() }),
  out: z.object({ bucket: z.string(), prefix: z.string() }),
  fields: z.object({ text: z.string(), id: z.string().nullable() }),
  offsets: z.enum(OFFSETS),
});

/** What an output is of: `_batch/run.json` in it. */
const Run = z.object({
  input: z.string(),
  stateMachine: z.string(),
  work: Work,
  partBytes: z.int(),
  /** Estimated when it was planned. */
  documents: z.int(),
  characters: z.int(),
  /** The last one is the current one. */
  executions: z.array(z.object({ arn: z.string(), id: z.string(), parts: z.int() })),
});
export type Run = z.infer<typeof Run>;

/** Manifests and runs of an output. */
export class Books {
  readonly output: Place;
  readonly #account: Account;

  constructor(account: Account, output: Place) {
    this.#account = account;
    this.output = output;
  }

  /** Where a book is: `run.json`, `parts.json`, and of an execution `ID/manifest.json`. */
  key(name: string): string {
    return `${this.output.prefix}${BOOKS}${name}`;
  }

  /** Undefined when nothing was started there. */
  async run(): Promise<Run | undefined> {
    return this.#read('run.json', Run);
  }

  /** @throws {BatchError} when nothing was started there */
  async runOrFail(): Promise<Run> {
    const run = await this.run();
    if (!run)
      throw new BatchError(`${placeName(this.output)} holds no batch; start one with \`burst-ner-batch start\`.`);
    return run;
  }

  /** All parts of the run, in the order of the input. */
  async parts(): Promise<Part[]> {
    return (await this.#read('parts.json', z.array(Part))) ?? [];
  }

  write(name: string, content: unknown): Promise<void> {
    return this.#account.write(this.output.bucket, this.key(name), content);
  }

  async #read<T>(name: string, schema: z.ZodType<T>): Promise<T | undefined> {
    const bytes = await this.#account.read(this.output.bucket, this.key(name));
    if (!bytes) return undefined;
    try {
      return schema.parse(JSON.parse(bytes.toString()));
    } catch {
      const book = placeName({ ...this.output, prefix: this.key(name) });
      throw new BatchError(`${book} is damaged, or of another version; give another --out.`);
    }
  }
}
