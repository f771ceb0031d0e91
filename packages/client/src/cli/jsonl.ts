import { readLines } from '../files/lines.js';
import { OutputError, OutputRecord } from './record.js';

/** How records are written, and read again. */
export interface OutputFormat {
  /** What stands before the first record. */
  header: string;
  toText(record: OutputRecord): string;
  /**
   * The whole records of a file with the byte at which each ends. A torn one at the file's end is left out.
   *
   * @throws {OutputError} for a file that `toText` did not write
   */
  read(path: string): AsyncGenerator<{ record: OutputRecord; end: number }, void, undefined>;
}

const START = '{"source":';

/** One line of JSON a document. */
export const jsonl: OutputFormat = {
  header: '',
  toText: (record) => `${JSON.stringify(record)}\n`,
  async *read(path) {
    for await (const { text, line, end } of readLines(path)) {
      if (text.endsWith('\n')) {
        yield { record: parse(text) ?? foreign(path, line), end };
      } else if (line === 1 && !text.startsWith(START) && !START.startsWith(text)) {
        foreign(path, line);
      }
    }
  },
};

function parse(text: string): OutputRecord | undefined {
  try {
    return OutputRecord.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/** @throws {OutputError} */
export function foreign(path: string, line: number): never {
  throw new OutputError(
    `${path} line ${line} is not what this program writes; the file stays as it is: name another with --out`,
  );
}
