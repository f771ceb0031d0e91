import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { demoTexts, differences, generated, startSpacy } from '../../../bench/client/pieces.mjs';
import { type Entity, toUtf16 } from '../src/offsets.js';
import { cut, join, type Piece } from '../src/pieces.js';

// Python's white space, by which spaCy splits.
const SPACE = '\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000';
const spaces = fc.constantFrom(' ', ' ', ' ', '\n', '\r\n', '\x1c', '\x85', '\u3000', ' \t');
// Any UTF-16 at all, lone halves of pairs included, and none of it white space.
const word = fc
  .array(fc.oneof(fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }), fc.integer({ min: 0, max: 0xffff })), {
    minLength: 1,
    maxLength: 3,
  })
  .map((units) => units.map((unit) => (typeof unit === 'number' ? String.fromCharCode(unit) : unit)).join(''))
  .map((text) => text.replace(new RegExp(`[${SPACE}]`, 'g'), '_'));
const anyText = fc
  .array(fc.oneof(word, spaces, fc.constantFrom('a'.repeat(130), '😀'.repeat(65), ' '.repeat(130))), { maxLength: 120 })
  .map((parts) => parts.join(''));
const options = fc.record({ target: fc.integer({ min: 120, max: 250 }), context: fc.integer({ min: 1, max: 30 }) });

const slices = (text: string, pieces: Piece[]) => pieces.map(({ start, end }) => text.slice(start, end));
const entity = (text: string, start: number, end: number, label = 'X') => ({
  text: text.slice(start, end),
  label,
  start,
  end,
});

describe('cut', () => {
  it('leaves a short text whole', () => {
    expect(cut('', 10_000)).toEqual([{ start: 0, end: 0, seam: 0, limit: 0 }]);
    expect(cut('a '.repeat(5050), 10_000)).toHaveLength(1);
    expect(cut('a '.repeat(6000), 10_000)).toHaveLength(2);
  });

  it('comes to an end whatever the target', () => {
    for (const target of [2, 3, 5, 7]) expect(cut('😀a '.repeat(9), target, 50).at(-1)?.end).toBe(36);
    expect(() => cut('😀', 1)).toThrow('target must be at least 2, not 1');
  });

  it('covers any text with pieces that overlap, of bounded size, never inside a pair', () => {
    fc.assert(
      fc.property(anyText, options, (text, { target, context }) => {
        const pieces = cut(text, target, context);
        expect(pieces[0]?.start).toBe(0);
        expect(pieces.at(-1)?.end).toBe(text.length);
        pieces.forEach(({ start, end, seam, limit }, i) => {
          expect(end - start).toBeLessThanOrEqual(3 * target);
          // A well-formed text has well-formed pieces, and the others' lone halves stay what they are.
          expect(text.slice(start, end).toWellFormed()).toBe(text.toWellFormed().slice(start, end));
          const before = pieces[i - 1];
          if (!before) return;
          expect(start).toBeGreaterThan(before.start);
          // One unit less where the context would end inside a pair.
          if (start > 0) expect(seam - start).toBeGreaterThanOrEqual(context);
          expect(limit - seam).toBeGreaterThanOrEqual(Math.min(context, text.length - seam) - 1);
          expect(before.end - limit).toBeGreaterThanOrEqual(Math.min(context, text.length - limit) - 1);
        });
      }),
      { numRuns: 1000 },
    );
  });

  it('begins and ends pieces where words begin, and with four words of context however long they are', () => {
    const long = `${'x'.repeat(800)} `;
    const text = `${'Ada met Bob. '.repeat(760)}${long.repeat(20)}${'Ada\u3000met\x85Bob.\x1c'.repeat(1500)}`;
    const pieces = cut(text, 10_000);
    expect(pieces.length).toBeGreaterThan(3);
    for (const at of pieces.slice(1).flatMap(({ start, seam, limit }, i) => [start, seam, limit, pieces[i]?.end])) {
      expect(text.slice(Number(at) - 1, Number(at) + 1)).toMatch(/^\P{L}\p{L}?$/u);
    }
    pieces.slice(1).forEach(({ start, seam, limit }, i) => {
      for (const context of [text.slice(start, seam), text.slice(seam, limit), text.slice(limit, pieces[i]?.end)]) {
        expect(context.match(/[xAmB]\S*/g)?.length).toBeGreaterThanOrEqual(4);
      }
    });
  });

  it('knows words by the white space of Python', () => {
    for (let unit = 0; unit <= 0xffff; unit++) {
      const text = `ab${String.fromCharCode(unit)}`.repeat(10);
      const seam = cut(text, 10, 1)[1]?.seam;
      if (new RegExp(`^[${SPACE}]`).test(text.slice(2)) !== (seam === 12))
        expect.fail(`U+${unit.toString(16)}: ${seam}`);
    }
  });

  it('keeps every piece under what the service takes, in a number of steps that grows with the text alone', () => {
    const texts = {
      letters: 'a',
      spaces: ' ',
      words: 'Ada met 😀. ',
      emoji: '😀',
      'words that just miss the context': `${'x'.repeat(3332)} `,
      'words that just miss the seam': `${'x'.repeat(19_999)} `,
      'one that just misses it among long ones': `${'x'.repeat(19_998)} ${`${'x'.repeat(4989)} `.repeat(6)}`,
    };
    for (const [name, unit] of Object.entries(texts)) {
      for (const length of [300_000, 3_000_000]) {
        let steps = 0;
        const counted = {
          length,
          charCodeAt(i: number) {
            steps++;
            return i < length ? unit.charCodeAt(i % unit.length) : Number.NaN;
          },
        };
        const pieces = cut(counted as unknown as string, 10_000);
        expect(steps, name).toBeLessThan(6 * length);
        expect(pieces.length, name).toBeLessThanOrEqual(length / 10_000);
        expect(Math.max(...pieces.map(({ start, end }) => end - start)), name).toBeLessThanOrEqual(30_000);
      }
    }
  });
});

/**
 * A recognizer that works as spaCy's does: left to right, at each token one decision (begin, go on, end), from four
 * tokens to either side and, within an entity, from its first. A word that begins with a full stop is in no entity.
 */
function greedy(text: string): Entity[] {
  const tokens = [...text.matchAll(new RegExp(`[${SPACE}]+|[^${SPACE}]+`, 'g'))].filter(([token]) => token !== ' ');
  const free = (i: number) => !(tokens[i]?.[0] ?? '.').startsWith('.');
  const found: Entity[] = [];
  let first: number | undefined;
  tokens.forEach(({ 0: token, index }, i) => {
    if (!free(i)) return;
    const seen = Array.from({ length: 9 }, (_, k) => tokens[i - 4 + k]?.[0] ?? '').join(' ');
    let hash = 7;
    for (const unit of `${seen}|${first === undefined ? '' : tokens[first]?.[0]}`) {
      hash = Math.imul(hash ^ unit.charCodeAt(0), 0x01000193);
    }
    const [begins, ends, label] = [hash & 0x100, hash & 0x200 || !free(i + 1), `L${(hash >>> 12) % 3}`];
    if (first === undefined && !begins) return;
    const open = first === undefined ? undefined : found.pop();
    found.push(entity(text, open?.start ?? index, index + token.length, open?.label ?? label));
    first = ends ? undefined : (first ?? i);
  });
  return found;
}

/** Any run of words that begin with X is an entity, however long. */
const runs = (text: string): Entity[] =>
  [...text.matchAll(/X\S*(\s+X\S*)*/g)].map(({ 0: run, index }) => entity(text, index, index + run.length));

describe('join', () => {
  it('finds what the whole text has', () => {
    const free = fc.tuple(word, spaces).map((parts) => parts.join(''));
    // At most three words that may be in an entity, then one that is in none.
    const group = fc
      .tuple(fc.array(free, { maxLength: 3 }), spaces)
      .map(([words, space]) => `${words.join('')}.${space}`);
    let entities = 0;
    let seams = 0;
    fc.assert(
      fc.property(fc.array(group, { minLength: 60, maxLength: 120 }), options, (groups, { target, context }) => {
        const text = groups.join('');
        const pieces = cut(text, target, context);
        const whole = greedy(text);
        entities += whole.length;
        seams += pieces.length - 1;
        const joined = join(text, pieces, slices(text, pieces).map(greedy));
        expect(joined).toEqual(whole);
        for (const { start, end, text: found } of joined) expect(text.slice(start, end)).toBe(found);
      }),
      { numRuns: 300, interruptAfterTimeLimit: 40_000 },
    );
    expect(entities).toBeGreaterThan(5_000);
    expect(seams).toBeGreaterThan(1_000);
  });

  it('joins an entity that is longer than the context, and than a piece', () => {
    const stretch = fc.tuple(fc.constantFrom('X', 'Xy', 'x', 'y'), fc.integer({ min: 1, max: 150 }));
    const text = fc.array(stretch, { maxLength: 12 }).map((all) => all.map(([w, n]) => `${w} `.repeat(n)).join(''));
    fc.assert(
      fc.property(text, options, (text, { target, context }) => {
        const pieces = cut(text, target, context);
        expect(join(text, pieces, slices(text, pieces).map(runs))).toEqual(runs(text));
      }),
      { numRuns: 300 },
    );
  });

  it('moves the seam past an entity that either side sees, and no further', () => {
    const text = 'aa bb New York City cc dd';
    const pieces = [
      { start: 0, end: 22, seam: 0, limit: 0 },
      { start: 3, end: 25, seam: 10, limit: 22 },
    ];
    const city = entity(text, 6, 19, 'GPE');
    const before = [city, entity(text, 20, 22)];
    const relative = (start: number, end: number, label?: string) => entity(text.slice(3), start - 3, end - 3, label);
    // The one sees all of it, the other its end, or begins too late, or finds another within it.
    for (const seen of [relative(6, 19, 'GPE'), relative(10, 19), relative(6, 14), relative(15, 19)]) {
      expect(join(text, pieces, [before, [seen, relative(23, 25)]])).toEqual([city, entity(text, 23, 25)]);
    }
  });

  it('gives entities in order that do not overlap, whatever the pieces find', () => {
    const marks = fc.array(fc.array(fc.oneof(fc.nat({ max: 30 }), fc.nat({ max: 300 })), { maxLength: 60 }), {
      minLength: 60,
      maxLength: 60,
    });
    fc.assert(
      fc.property(anyText, options, marks, (text, { target, context }, marks) => {
        const pieces = cut(text, target, context);
        const found = slices(text, pieces).map((part, i) => {
          let end = 0;
          return (marks[i] ?? []).flatMap((length) => {
            const start = end;
            end = Math.min(start + length, part.length);
            return length % 2 && end > start ? [entity(part, start, end)] : [];
          });
        });
        let end = 0;
        for (const each of join(text, pieces, found)) {
          expect(each.start).toBeGreaterThanOrEqual(end);
          expect(each.end).toBeGreaterThan(each.start);
          expect(each.text).toBe(text.slice(each.start, each.end));
          end = each.end;
        }
      }),
      { numRuns: 500 },
    );
  });

  it('finds with spaCy what spaCy finds in the whole text', async () => {
    const text = [generated(2, 30_000), ...demoTexts()].join('\n\n');
    const spacy = await startSpacy(toUtf16);
    try {
      const [whole = []] = await spacy.entities('spacy', [text]);
      expect(whole.length).toBeGreaterThan(2_000);
      for (const target of [10_000, 1_000]) {
        const pieces = cut(text, target);
        const joined = join(text, pieces, await spacy.entities('service', slices(text, pieces)));
        expect(differences(whole, joined)).toEqual({ missing: 0, extra: 0 });
        expect(joined).toEqual(whole);
      }
    } finally {
      spacy.close();
    }
  });
});
