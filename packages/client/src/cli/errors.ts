import { NerError } from '../errors.js';
import { DocumentsError } from '../files/fields.js';

/** The output cannot be written, or is not what this run would have written. One sentence. */
export class OutputError extends Error {
  override name = 'OutputError';
}

export function modelChanged(out: string, before: string, now: string): OutputError {
  return new OutputError(
    `the model is now ${now}, and ${out} is by ${before}; ` +
      'name another file with --out, or go on with --allow-model-change',
  );
}

/** What to say of an error of the file system; an OutputError says it already. */
export function unusable(path: string, error: unknown, what: 'written' | 'read' = 'written'): OutputError {
  if (error instanceof OutputError) return error;
  const { code = 'unknown error' } = error as NodeJS.ErrnoException;
  const advice = code === 'ENOSPC' || code === 'EDQUOT' ? '; make room and run the same command again' : '';
  return new OutputError(`${path} cannot be ${what} (${code})${advice}`, { cause: code });
}

export function foreign(path: string, line?: number): never {
  const what = line === undefined ? path : `${path} line ${line}`;
  throw new OutputError(`${what} is not what this program writes; the file stays as it is: name another with --out`);
}

/** Whether its message is a sentence for the user. */
export function isExpected(error: unknown): error is Error {
  return error instanceof NerError || error instanceof DocumentsError || error instanceof OutputError;
}

export function report(sentence: string): void {
  process.stderr.write(`burst-ner: ${sentence}\n`);
}
