import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { UnreadableError } from './fields.js';

/** Bytes in UTF-8, and how many of the file were read for all up to their end. */
export interface Chunk {
  bytes: Buffer;
  read: number;
}

const FOREIGN: [magic: string, what: string][] = [
  ['PAR1', 'a Parquet file; write it as JSON Lines first, e.g. with DuckDB or pandas'],
  ['PK\x03\x04', 'a zip archive or an Excel workbook; unpack it, or save it as CSV'],
  ['BZh', 'compressed by bzip2; unpack it, or use gzip'],
  ['\x28\xb5\x2f\xfd', 'compressed by zstd; unpack it, or use gzip'],
  ['\xfd7zX', 'compressed by xz; unpack it, or use gzip'],
  ['\x1f\x8b', 'compressed by gzip twice; unpack it once'],
];
const WIDE: [head: RegExp, encoding: string][] = [
  [/^(?:\xff\xfe|[^\0]\0)\0\0/, 'UTF-32LE'],
  [/^\0\0(?:\xfe\xff|\0[^\0])/, 'UTF-32BE'],
  [/^[^\0]\0[^\0]\0/, 'UTF-16LE without a byte order mark'],
  [/^\0[^\0]\0[^\0]/, 'UTF-16BE without a byte order mark'],
];

/**
 * Reads a file, by what it begins with: gzip is unpacked, UTF-16 with a byte order mark is made UTF-8.
 *
 * @param path `-` is standard input
 * @throws {UnreadableError} for what is known to be no text; {NodeJS.ErrnoException} when the file cannot be read
 */
export async function* readBytes(path: string): AsyncGenerator<Chunk, void, undefined> {
  let read = 0;
  async function* raw(): AsyncGenerator<Buffer> {
    for await (const chunk of (path === '-' ? process.stdin : createReadStream(path)) as AsyncIterable<Buffer>) {
      read += chunk.length;
      yield chunk;
    }
  }
  const file = raw();
  try {
    let [head, source] = await peek(file);
    if (head.startsWith('\x1f\x8b')) [head, source] = await peek(unpacked(source));
    const foreign = FOREIGN.find(([magic]) => head.startsWith(magic));
    if (foreign) throw new UnreadableError(`${inputName(path)} is ${foreign[1]}`);
    const wide = WIDE.find(([bytes]) => bytes.test(head))?.[1];
    if (wide) {
      const advice = `convert the file first: iconv -f ${wide.split(' ')[0]} -t UTF-8`;
      throw new UnreadableError(`${inputName(path)} looks like ${wide}; ${advice}`);
    }
    const utf16 = head.startsWith('\xff\xfe') ? 'utf-16le' : head.startsWith('\xfe\xff') ? 'utf-16be' : undefined;
    const decoder = utf16 && new TextDecoder(utf16);
    for await (const chunk of source) {
      yield { bytes: decoder ? Buffer.from(decoder.decode(chunk, { stream: true })) : chunk, read };
    }
    if (decoder?.decode())
      throw new UnreadableError(`${inputName(path)} ends in the middle of a character; is it whole?`);
  } finally {
    void file.return(undefined); // closes it, also when it was not read to its end
  }
}

/** The first bytes of a source, as Latin-1, and the whole of it. */
async function peek(source: AsyncGenerator<Buffer>): Promise<[head: string, source: AsyncGenerator<Buffer>]> {
  let head: Buffer = Buffer.alloc(0);
  for (let next = await source.next(); !next.done; next = await source.next()) {
    head = Buffer.concat([head, next.value]);
    if (head.length >= 4) break;
  }
  async function* whole(): AsyncGenerator<Buffer> {
    yield head;
    yield* source;
  }
  return [head.toString('latin1', 0, 4), whole()];
}

async function* unpacked(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  // The error comes out of the loop below.
  yield* pipeline(source, createGunzip(), () => {}) as AsyncIterable<Buffer>;
}

/** An input as messages call it. */
export function inputName(path: string): string {
  return path === '-' ? 'standard input' : path;
}
