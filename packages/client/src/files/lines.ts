import { createReadStream } from 'node:fs';

/** A line of a file, as bytes were decoded. */
export interface Line {
  /** With its line break, when it has one; a byte order mark is gone. */
  text: string;
  /** From 1. */
  line: number;
  /** Bytes of the file up to the line's end. */
  end: number;
  /** Why the text is not what the file holds. */
  problem: string | undefined;
}

/** Bytes that a line, a record or a .txt may have. V8's strings end at twice as many characters. */
export const MAX_RECORD = 2 ** 28;
export const TOO_LONG = `is longer than ${MAX_RECORD / 2 ** 20} MiB; cut it`;
const NOT_UTF8 = 'is not UTF-8; convert the file first, e.g. with iconv';

/**
 * Lines of a file in UTF-8, as a stream. One that is damaged is told by its `problem`, so that those after it can be read.
 *
 * @param path `-` is standard input
 * @throws {NodeJS.ErrnoException} when the file cannot be read
 */
export async function* readLines(path: string): AsyncGenerator<Line, void, undefined> {
  const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let parts: Buffer[] = [];
  let size = 0;
  let line = 0;
  let end = 0;
  const add = (part: Buffer): void => {
    size += part.length;
    if (size <= MAX_RECORD) parts.push(part);
    else parts = [];
  };
  const take = (): Line => {
    const bytes = parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts);
    line++;
    end += size;
    let problem = size > MAX_RECORD ? TOO_LONG : undefined;
    let text: string;
    try {
      text = strict.decode(bytes);
    } catch {
      problem = NOT_UTF8;
      text = bytes.toString();
    }
    parts = [];
    size = 0;
    return { text: line === 1 ? text.replace(/^\uFEFF/, '') : text, line, end, problem };
  };
  for await (const chunk of (path === '-' ? process.stdin : createReadStream(path)) as AsyncIterable<Buffer>) {
    let start = 0;
    for (let at = chunk.indexOf('\n'); at !== -1; at = chunk.indexOf('\n', start)) {
      add(chunk.subarray(start, at + 1));
      start = at + 1;
      yield take();
    }
    if (start < chunk.length) add(chunk.subarray(start));
  }
  if (size > 0) yield take();
}

/** An input as messages call it. */
export function inputName(path: string): string {
  return path === '-' ? 'standard input' : path;
}
