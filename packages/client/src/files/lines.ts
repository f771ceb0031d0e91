import { readBytes } from './bytes.js';

/** A line, or an item of a JSON array, as bytes were decoded. */
export interface Line {
  /** With its line break, when it has one; a byte order mark is gone. */
  text: string;
  /** From 1. */
  line: number;
  /** Bytes of the file up to its end. */
  end: number;
  /** Why the text is not what the file holds. */
  problem: string | undefined;
}

/** Bytes that a line, a record or a .txt may have. V8's strings end at twice as many characters. */
export const MAX_RECORD = 2 ** 28;
export const TOO_LONG = `is longer than ${MAX_RECORD / 2 ** 20} MiB; cut it`;
const NOT_UTF8 = 'is not UTF-8; convert the file first, e.g. with iconv';

/** Gathers the bytes of one line. */
export class Gathered {
  readonly #strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  #parts: Buffer[] = [];
  #line = 0;
  size = 0;

  add(part: Buffer): void {
    this.size += part.length;
    if (this.size <= MAX_RECORD) this.#parts.push(part);
    else this.#parts = [];
  }

  /** What was gathered; begins anew. */
  take(end: number): Line {
    const [first] = this.#parts;
    const bytes = this.#parts.length === 1 && first ? first : Buffer.concat(this.#parts);
    const line = ++this.#line;
    let problem = this.size > MAX_RECORD ? TOO_LONG : undefined;
    let text: string;
    try {
      text = this.#strict.decode(bytes);
    } catch {
      problem = NOT_UTF8;
      text = bytes.toString();
    }
    this.#parts = [];
    this.size = 0;
    return { text: line === 1 ? text.replace(/^\uFEFF/, '') : text, line, end, problem };
  }
}

/** Lines of a file, as a stream. One that is damaged is told by its `problem`, so that those after it can be read. */
export async function* readLines(path: string): AsyncGenerator<Line, void, undefined> {
  const gathered = new Gathered();
  let before = 0;
  for await (const { bytes, read } of readBytes(path)) {
    let start = 0;
    for (let at = bytes.indexOf('\n'); at !== -1; at = bytes.indexOf('\n', start)) {
      gathered.add(bytes.subarray(start, at + 1));
      start = at + 1;
      yield gathered.take(before + ((read - before) * start) / bytes.length);
    }
    if (start < bytes.length) gathered.add(bytes.subarray(start));
    before = read;
  }
  if (gathered.size > 0) yield gathered.take(before);
}
