import { existsSync } from 'node:fs';
import type { Entry } from '../files/entries.js';
import { OutputError } from './errors.js';
import { difference, type OutputFormat, type OutputRecord } from './record.js';

/** What is done of an output: its records, those of failed documents replaced by what `OUT.part` has of them. */
export interface Done {
  record: OutputRecord;
  /** Whether it may not be done again before `OUT.part` is used up: it stands there, or before what stands there. */
  settled: boolean;
  /** Bytes of the output, and of `OUT.part`, up to its end. */
  end: number;
  partEnd: number;
}

/** @throws {OutputError} for a file that this program did not write, or that cannot be read */
export async function* readDone(path: string, format: OutputFormat): AsyncGenerator<Done, void, undefined> {
  try {
    const part = existsSync(partOf(path)) ? format.read(partOf(path)) : undefined;
    let again = (await part?.next())?.value;
    let partEnd = 0;
    if (!existsSync(path)) return;
    for await (const { record, end } of format.read(path)) {
      const settled = again !== undefined;
      if (again?.record.source !== record.source || again.record.line !== record.line) {
        yield { record, settled, end, partEnd };
        continue;
      }
      partEnd = again.end;
      yield { record: again.record, settled, end, partEnd };
      again = (await part?.next())?.value;
    }
  } catch (error) {
    if (!(error instanceof Error && 'syscall' in error)) throw error;
    throw new OutputError(`${path} cannot be read (${(error as NodeJS.ErrnoException).code}), which a resume needs`);
  }
}

/**
 * Goes through the inputs and what an output holds of them. What is to be done again is `again`; what is not there has no
 * `done`. An OutputError when a record is not of the document that stands in its place.
 */
export async function* compare(
  path: string,
  format: OutputFormat,
  entries: AsyncGenerator<Entry, void, undefined>,
  keepFailed: boolean,
): AsyncGenerator<{ entry: Entry; done?: Done; again?: boolean }, void, undefined> {
  let number = 0;
  for await (const done of readDone(path, format)) {
    const { record } = done;
    const { value: entry } = await entries.next();
    number++;
    const what = entry ? difference(record, entry) : 'place';
    if (!entry || what) throw changed(path, record, number, what);
    // What still cannot be read would fail in the same way.
    const again = record.error !== undefined && !keepFailed && !done.settled && !('error' in entry);
    yield { entry, done, again };
  }
  for await (const entry of entries) yield { entry };
}

/** Where documents that failed are done again, until all are. */
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
