import { DescribeMapRunCommand, ListMapRunsCommand } from '@aws-sdk/client-sfn';
import * as z from 'zod';
import type { Account } from './account.js';
import { Books, type Run } from './books.js';
import { pricesNear, spent } from './forecast.js';
import { lengthOf } from './parts.js';
import { type Place, placeName } from './place.js';
import { Output, type PartRecords } from './records.js';
import { currentExecution, type Execution, regionOf } from './run.js';

export interface FailedPart {
  name: string;
  /** Where it begins in its file; bytes. */
  start: number;
  reason: string;
}

export interface Status {
  output: string;
  state: Execution['status'];
  /** Why it ended before its end. */
  error: string | undefined;
  parts: { all: number; done: number; running: number; failed: number };
  documents: { done: number; failed: number; errors: Record<string, number>; aSecond: number | null };
  /** Some of the parts that failed. */
  failed: FailedPart[];
  /** Seconds since the current execution began, and that are left about. */
  seconds: number;
  secondsLeft: number | null;
  /** List prices, US dollars; attempts that were lost are not among them. */
  usd: { soFar: number; inAll: number | null };
  /** The region of the prices: us-east-1 where the lists have none of the run's. */
  pricesOf: string;
}

const Note = z.object({ failure: z.object({ Error: z.string(), Cause: z.string().default('') }) });
/** How many are read: who has more to mend sees enough. */
const REASONS = 20;

/** Tells how far a run is, again and again. */
export class Follower {
  readonly #account: Account;
  readonly #books: Books;
  readonly #output: Output;
  #parts: PartRecords['part'][] | undefined;

  constructor(account: Account, output: Place) {
    this.#account = account;
    this.#books = new Books(account, output);
    this.#output = new Output(account, output);
  }

  async look(now = Date.now()): Promise<Status> {
    const run = await this.#books.runOrFail();
    const execution = await currentExecution(this.#account, run);
    this.#parts ??= await this.#books.parts();
    const records = await this.#output.of(this.#parts);
    const running = execution.status === 'RUNNING' ? await this.#running(run) : 0;
    const failed = await this.#failed(run, records);
    const began = execution.started?.getTime() ?? now;
    const seconds = ((execution.stopped?.getTime() ?? now) - began) / 1000;
    return { ...summary(run, records, began, seconds, execution), ...this.#told(records, running, failed) };
  }

  #told(records: PartRecords[], running: number, failed: FailedPart[]) {
    const done = records.filter((one) => one.done).length;
    return {
      output: placeName(this.#books.output),
      parts: { all: records.length, done, running, failed: failed.length },
      failed: failed.slice(0, REASONS),
    };
  }

  async #running(run: Run): Promise<number> {
    const executionArn = run.executions.at(-1)?.arn;
    const { mapRuns } = await this.#account.states.send(new ListMapRunsCommand({ executionArn }));
    const mapRunArn = mapRuns?.[0]?.mapRunArn;
    if (!mapRunArn) return 0;
    const { itemCounts } = await this.#account.states.send(new DescribeMapRunCommand({ mapRunArn }));
    return itemCounts?.running ?? 0;
  }

  /** What the state machine noted, of parts that have no records; of the first ones with their reasons. */
  async #failed(run: Run, records: PartRecords[]): Promise<FailedPart[]> {
    const { bucket } = this.#books.output;
    const prefix = this.#books.key(`${run.executions.at(-1)?.id}/failed/`);
    const missing = new Set(records.filter(({ done }) => !done).map(({ part }) => part.name));
    const failed: FailedPart[] = [];
    for await (const { key } of this.#account.list({ bucket, prefix })) {
      const [, name = '', start] = /^(.*)\/(\d+)\.json$/.exec(key.slice(prefix.length)) ?? [];
      if (!missing.has(name)) continue;
      const reason = failed.length < REASONS ? reasonOf((await this.#account.read(bucket, key)) ?? '') : '';
      failed.push({ name, start: Number(start), reason });
    }
    return failed;
  }
}

/** Of the state of a part that was given up (infra/batch.asl.tftpl). Lambda's cause is JSON with the message in it. */
function reasonOf(note: Buffer | string): string {
  try {
    const state: unknown = JSON.parse(String(note));
    // Step Functions may write a string as JSON has it.
    const { Error: error, Cause: cause } = Note.parse(typeof state === 'string' ? JSON.parse(state) : state).failure;
    const message = messageOf(cause);
    return error === 'PartError' ? message : [error, message].filter(Boolean).join(': ');
  } catch {
    return 'its note cannot be read';
  }
}

function messageOf(cause: string): string {
  try {
    return z.object({ errorMessage: z.string() }).parse(JSON.parse(cause)).errorMessage;
  } catch {
    return cause.slice(0, 300);
  }
}

function summary(run: Run, records: PartRecords[], began: number, seconds: number, execution: Execution) {
  const objects = records.flatMap((one) => one.objects);
  const errors: Record<string, number> = {};
  for (const object of objects) {
    for (const [code, count] of Object.entries(object.errors)) errors[code] = (errors[code] ?? 0) + count;
  }
  const sum = (of: (one: PartRecords) => number) => records.reduce((total, one) => total + of(one), 0);
  const all = sum(({ part }) => lengthOf(part));
  const doneBytes = sum((one) => (one.done ? lengthOf(one.part) : 0));
  // Of this execution alone: one that goes on begins with what others did.
  const mine = records.filter(
    (one) => one.done && one.objects.some(({ modified }) => modified.getTime() >= began - 1000),
  );
  const mineBytes = mine.reduce((total, one) => total + lengthOf(one.part), 0);
  const mineDocuments = mine.flatMap((one) => one.objects).reduce((total, { documents }) => total + documents, 0);
  const prices = pricesNear(regionOf(run.stateMachine) ?? 'us-east-1');
  const soFar = spent(objects, prices);
  const goesOn = execution.status === 'RUNNING' && mineBytes > 0 && seconds > 0;
  return {
    state: execution.status,
    error: execution.error,
    documents: {
      done: objects.reduce((total, { documents }) => total + documents, 0),
      failed: objects.reduce((total, { failed }) => total + failed, 0),
      errors,
      aSecond: mineDocuments > 0 && seconds > 0 ? mineDocuments / seconds : null,
    },
    seconds,
    secondsLeft: goesOn ? ((all - doneBytes) / mineBytes) * seconds : null,
    usd: { soFar, inAll: doneBytes > 0 ? (soFar * all) / doneBytes : null },
    pricesOf: prices.region,
  };
}
