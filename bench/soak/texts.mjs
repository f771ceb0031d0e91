// What the soak sends: texts of all sizes from demo/texts, and such as somebody sends to hurt.
import fs from 'node:fs';
import path from 'node:path';
import { root } from '../../scripts/step.mjs';

/** @typedef {'short' | 'kilobyte' | 'long' | 'hostile'} Kind */

/** How many different ones of each kind there are, and the share of each among the documents. */
const KINDS = /** @type {const} */ ({
  short: { count: 600, share: 0.3 },
  kilobyte: { count: 1200, share: 0.55 },
  long: { count: 8, share: 0.002 },
  hostile: { count: 400, share: 0.118 },
});
/** Of documents with words that nobody sent before. */
export const NEW_SHARE = 0.03;

/** @type {((random: () => number) => string)[]} */
const HOSTILE = [
  () => '',
  (random) => ' '.repeat(1 + random() * 3000),
  (random) => '\n\t \u3000\u00a0\u2028'.repeat(1 + random() * 300),
  (random) => `Ada Lovelace ${'.'.repeat(random() * 8000)} London`,
  (random) => `Mr. ${'supercalifragilistic'.repeat(random() * 400)} lived in Paris`,
  (random) => Array.from({ length: random() * 400 }, () => String.fromCharCode(random() * 32)).join(''),
  (random) => `Angela Merkel \ud83d met ${'\udc00'.repeat(random() * 20)} in Tokyo \ud800`,
  (random) => '👩‍👩‍👧🇬🇧😀 Ada Lovelace 👍🏽 '.repeat(1 + random() * 100),
  (random) => 'مرحبا بالعالم من لندن שלום עולם \u202eLondon\u202c '.repeat(1 + random() * 60),
  (random) => `${'(["\'«'.repeat(random() * 300)}Barack Obama${')]"\'»'.repeat(random() * 300)}`,
  (random) => `http://a.b/${'x?y=1&'.repeat(random() * 500)} e\u0301${'\u0301'.repeat(random() * 500)} 10km`,
  (random) => Array.from({ length: random() * 300 }, () => String.fromCharCode(random() * 0xd7ff)).join(''),
];

/** Always the same texts of a seed, by kind. @param {() => number} random @returns {Record<Kind, string[]>} */
export function pool(random) {
  const folder = path.join(root, 'demo/texts');
  const names = fs.readdirSync(folder).filter((name) => name.endsWith('.txt'));
  const sentences = names.flatMap((name) =>
    fs.readFileSync(path.join(folder, name), 'utf8').match(/[^.!?\n][^.!?]*[.!?]+\s*/g),
  );
  const sentence = () => sentences[Math.floor(random() * sentences.length)] ?? '';
  const prose = (/** @type {number} */ characters) => {
    let text = '';
    while (text.length < characters) text += sentence();
    return text;
  };
  const many = (/** @type {number} */ count, /** @type {(i: number) => string} */ make) =>
    Array.from({ length: count }, (_, i) => make(i));
  return {
    short: many(KINDS.short.count, () => sentence()),
    kilobyte: many(KINDS.kilobyte.count, () => prose(1000)),
    long: many(KINDS.long.count, () => prose(100_000)),
    hostile: many(KINDS.hostile.count, (i) => HOSTILE[i % HOSTILE.length]?.(random) ?? ''),
  };
}

/** The kind of the next document. @param {() => number} random @returns {Kind} */
export function draw(random) {
  let left = random();
  for (const [kind, { share }] of Object.entries(KINDS)) {
    left -= share;
    if (left < 0) return /** @type {Kind} */ (kind);
  }
  return 'kilobyte';
}

/** Ten words that were never there before. @param {() => number} random */
export function newWords(random) {
  const letter = (/** @type {string} */ of) => of[Math.floor(random() * of.length)];
  const word = () => Array.from({ length: 5 }, () => `${letter('bcdfghjklmnprstvwz')}${letter('aeiou')}`).join('');
  const words = Array.from({ length: 10 }, (_, i) => (i % 3 ? word() : word().replace(/^./, (a) => a.toUpperCase())));
  return `Angela ${words.join(' ')} in London.`;
}
