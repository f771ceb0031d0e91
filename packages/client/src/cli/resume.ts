import { existsSync } from 'node:fs';
import type { Entry } from '../files/entries.js';
import type { OutputFormat } from './jsonl.js';
import { difference, OutputError, type OutputRecord } from './record.js';

/** What stands in the inputs, with what an output has of it. */
export interface Compared {
  entry: Entry;
  done: Done | undefined;
}

export interface Done {
  record: OutputRecord;
  /** Byte at which it ends. */
  end: number;
  /** It failed, and is to be done again. */
  again: boolean;
  /** It stands in `OUT.part`: a run that did failed documents again did not come to the end. */
  inPart: boolean;
}

/**
 * Goes through the inputs and what an output holds of them.
 *
 * @throws {OutputError} when a record is not of the document that stands in its place
 */
export async function* compare(
  path: string,
  format: OutputFormat,
  entries: AsyncGenerator<Entry, void, undefined>,
  keepFailed: boolean,
): AsyncGenerator<Compared, void, undefined> {
  let number = 0;
  for await (const { record, end, inPart } of readDone(path, format)) {
    const { value: entry } = await entries.next();
    number++;
    const what = entry ? difference(record, entry) : 'place';
    if (!entry || what) throw changed(path, record, number, what);
    // What still cannot be read would fail in the same way.
    const again = record.error !== undefined && !keepFailed && !inPart && !('error' in entry);
    yield { entry, done: { record, end, again, inPart } };
  }
  for await (const entry of entries) yield { entry, done: undefined };
}

async function* readDone(path: string, format: OutputFormat) {
  let inPart = 0;
  try {
    const part = partOf(path);
    if (existsSync(part)) {
      for await (const done of format.read(part)) {
        inPart++;
        yield { ...done, inPart: true };
      }
    }
    if (!existsSync(path)) return;
    for await (const done of format.read(path)) if (inPart-- <= 0) yield { ...done, inPart: false };
  } catch (error) {
    if (!(error instanceof Error && 'syscall' in error)) throw error;
    throw new OutputError(`${path} cannot be read (${(error as NodeJS.ErrnoException).code}), which a resume needs`);
  }
}

export function partOf(path: string): string {
  return `${path}.part`;
}

function changed(path: string, { source, line }: OutputRecord, number: number, what = ''): OutputError {
  const place = line === undefined ? source : `${source} line ${line}`;
  return new OutputError(
    `document ${number} of ${path} (${place}) has another ${what} in the inputs now; ` +
      'name the same inputs as before, unchanged and in the same order, or another file with --out',
  );
}
