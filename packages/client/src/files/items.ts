import { readBytes } from './bytes.js';
import { Gathered, type Line } from './lines.js';

const [LF, QUOTE, COMMA, BACKSLASH] = [0x0a, 0x22, 0x2c, 0x5c];
const [OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];
const MARK = new Set([0xef, 0xbb, 0xbf]); // of the byte order, in UTF-8

/**
 * The items of a JSON array, or JSON values one after another, as a stream; `line` counts them. Where brackets or quotes
 * do not match, reading goes on at the next line that begins with a bracket, and the item tells what was passed over.
 */
export async function* readItems(path: string): AsyncGenerator<Line, void, undefined> {
  const gathered = new Gathered();
  /** Depth at which items stand: 1 in an array. */
  let base: number | undefined;
  let depth = 0;
  let inString = false;
  let escaped = false;
  let lineStart = true;
  let before = 0;
  const take = (end: number): Line => {
    const { size } = gathered;
    const item = gathered.take(end);
    const damaged = inString || depth > (base ?? 0);
    if (damaged) item.problem ??= `is not valid JSON, and nobody can tell where it ends: ${size} bytes are passed over`;
    depth = base ?? 0;
    inString = escaped = false;
    return item;
  };
  for await (const { bytes, read } of readBytes(path)) {
    const end = (at: number) => before + ((read - before) * at) / bytes.length;
    let start = gathered.size > 0 ? 0 : -1;
    const cut = (at: number): Line => {
      gathered.add(bytes.subarray(start, at));
      start = -1;
      return take(end(at));
    };
    for (let at = 0; at < bytes.length; at++) {
      const byte = bytes[at] as number;
      // No pretty printer begins a line within an item so, and no string holds a line break.
      if (start !== -1 && lineStart && byte === OPEN_OBJECT && (inString || depth > (base ?? 0))) yield cut(at);
      lineStart = byte === LF || (lineStart && byte === COMMA);
      if (inString) {
        if (byte === QUOTE && !escaped) inString = false;
        escaped = byte === BACKSLASH && !escaped;
        continue;
      }
      if (start === -1) {
        if (byte <= 0x20 || byte === COMMA || (base === undefined && MARK.has(byte))) continue;
        base ??= byte === OPEN_ARRAY ? 1 : 0;
        if (base === 1 && depth === 0) {
          depth = 1;
          continue;
        }
        if (base === 1 && byte === CLOSE_ARRAY) {
          base = undefined; // another array may follow, as of two files that were put together
          depth = 0;
          continue;
        }
        start = at;
      }
      if (byte === QUOTE) inString = true;
      else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) depth++;
      else if (byte === COMMA && depth === base) yield cut(at);
      else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) {
        // A bare word may stand before the array's end; a bracket that closes nothing is an item of its own.
        if (depth === base) yield cut(byte === CLOSE_ARRAY && at > start ? at-- : at + 1);
        else if (--depth === base) yield cut(at + 1);
      }
    }
    if (start !== -1) gathered.add(bytes.subarray(start));
    before = read;
  }
  if (gathered.size > 0) yield take(before);
  else if (base === 1) yield { ...take(before), problem: 'is missing: the array is not closed' };
}
