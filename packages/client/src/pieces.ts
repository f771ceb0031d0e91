import type { Entity } from './offsets.js';

/**
 * A part of a text that is sent as a text of its own: UTF-16 units `[start, end)` of it, context included.
 *
 * Its own entities begin at the seam, which `join` moves where an entity crosses it.
 */
export interface Piece {
  start: number;
  end: number;
  /** The first place of the seam to the piece before. */
  seam: number;
  /** The last one. */
  limit: number;
}

const CONTEXT = 100;
// What spaCy's models for NER look at to either side of a token: a window of 1, four layers deep. A word is one token at
// least.
const CONTEXT_WORDS = 4;

/**
 * Cuts a text into pieces, in linear time, never inside a surrogate pair; a short text is one piece.
 *
 * A piece begins and ends where a word begins: a tokenizer that splits at white space makes the same tokens of it as of
 * the whole text. Only where `target` units have no white space it is cut anywhere.
 *
 * @param target UTF-16 units from seam to seam, up to twice as many where no word begins: pieces have at most three times
 *   as many
 * @param context UTF-16 units that a piece sees at least beyond either end of its own part, and by which a seam may move at
 *   least; a third of the target at most
 * @throws {RangeError} for a target below 2, which could not get past a pair
 */
export function cut(text: string, target: number, context = CONTEXT): Piece[] {
  if (!(target >= 2)) throw new RangeError(`target must be at least 2, not ${target}`);
  const pieces: Piece[] = [];
  const farthest = Math.floor(target / 3);
  const beyond = (at: number, step: 1 | -1) => contextEnd(text, at, step, Math.min(context, farthest), farthest);
  let start = 0;
  let seam = 0;
  let limit = 0;
  for (;;) {
    const next = nextSeam(text, seam + target, target);
    const nextLimit = beyond(next, 1);
    const end = beyond(nextLimit, 1);
    pieces.push({ start, end, seam, limit });
    if (end === text.length) return pieces;
    start = beyond(next, -1);
    seam = next;
    limit = nextLimit;
  }
}

/**
 * The text's entities from those of its pieces.
 *
 * At a place that no entity of the piece before it and none of the piece after it crosses, spaCy's NER is in the same
 * state in both as in the whole text. There the one's entities end and the other's begin.
 *
 * @param found the entities of each piece, their offsets relative to it, in order and not overlapping, as they come out
 */
export function join(text: string, pieces: Piece[], found: Entity[][]): Entity[] {
  const joined: Entity[] = [];
  pieces.forEach(({ start, seam, limit }, i) => {
    const after = (found[i] as Entity[]).map((entity) => ({
      ...entity,
      start: start + entity.start,
      end: start + entity.end,
    }));
    let tail = joined.length;
    while (tail > 0 && (joined[tail - 1] as Entity).end > seam) tail--;
    const before = joined.splice(tail);
    const at = Math.min(limit, freePlace(seam, before, after));
    joined.push(...before.filter((entity) => entity.end <= at));
    // Only at the limit: an entity longer than the context, of which either piece saw a part.
    const open = before.find((entity) => entity.start < at && at < entity.end);
    if (open) {
      const end = after.find((entity) => entity.start < at && at < entity.end)?.end ?? open.end;
      joined.push({ ...open, end, text: text.slice(open.start, end) });
    }
    const from = Math.max(at, joined.at(-1)?.end ?? 0);
    for (const entity of after) if (entity.start >= from) joined.push(entity);
  });
  return joined;
}

/** The first place from `seam` on that no entity crosses. */
function freePlace(seam: number, before: Entity[], after: Entity[]): number {
  let at = seam;
  for (const { start, end } of [...before, ...after].sort((a, b) => a.start - b.start)) {
    if (start >= at) break;
    at = Math.max(at, end);
  }
  return at;
}

/** Where a word begins, from `at` on; `at` itself where none does within `reach`. */
function nextSeam(text: string, at: number, reach: number): number {
  const end = Math.min(at + reach, text.length);
  for (let i = at; i < end; i++) if (wordBegins(text, i)) return i;
  return end === text.length ? end : notInPair(text, at);
}

/**
 * Where a context ends that goes from `at` forwards (step 1) or backwards (-1): after at least `units` and CONTEXT_WORDS
 * words, where a word begins. Long words end it sooner: after `farthest`, or after `units` where no word begins.
 */
function contextEnd(text: string, at: number, step: 1 | -1, units: number, farthest: number): number {
  let words = 0;
  let last: number | undefined;
  for (let distance = 1; distance <= farthest; distance++) {
    const i = at + step * distance;
    if (i <= 0) return 0;
    if (i >= text.length) return text.length;
    if (!wordBegins(text, i)) continue;
    words++;
    if (distance < units) continue;
    last = i;
    if (words >= CONTEXT_WORDS) break;
  }
  return last ?? notInPair(text, at + step * units);
}

const wordBegins = (text: string, at: number) => isSpace(text, at - 1) && !isSpace(text, at);

const isSpace = (text: string, at: number) => SPACES[text.charCodeAt(at)] === 1;

const notInPair = (text: string, at: number) =>
  (text.charCodeAt(at) & 0xfc00) === 0xdc00 && (text.charCodeAt(at - 1) & 0xfc00) === 0xd800 ? at - 1 : at;

// Python's str.isspace, by which spaCy's tokenizer splits. JavaScript's \s lacks five of these and has U+FEFF. A table,
// because a long text without words is looked at unit by unit.
const SPACES = new Uint8Array(0x10000);
for (const space of '\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000') {
  SPACES[space.charCodeAt(0)] = 1;
}
SPACES.fill(1, 0x2000, 0x200b);
