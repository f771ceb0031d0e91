// Entities in a text as a person likes to see them: coloured by kind on a terminal, bracketed elsewhere.
import process from 'node:process';

/** OntoNotes' labels by kind, and the background (256-colour palette) of each kind. Black on them is readable. */
const KINDS = /** @type {const} */ ([
  [117, ['PERSON', 'NORP']],
  [222, ['ORG', 'PRODUCT', 'WORK_OF_ART', 'LAW', 'LANGUAGE', 'EVENT']],
  [157, ['GPE', 'LOC', 'FAC']],
  [183, ['DATE', 'TIME']],
  [216, ['MONEY', 'PERCENT', 'QUANTITY', 'CARDINAL', 'ORDINAL']],
]);
const OTHER = 252;

const colour = !process.env['NO_COLOR'] && (process.stdout.isTTY === true || Boolean(process.env['FORCE_COLOR']));

/** @param {string} codes SGR codes @param {string} text */
const sgr = (codes, text) => (colour ? `\x1b[${codes}m${text}\x1b[0m` : text);

/** @param {string} text */
export const bold = (text) => sgr('1', text);
/** @param {string} text */
export const dim = (text) => sgr('2', text);

/** @param {string} label @param {string} text */
export function badge(label, text = label) {
  const background = KINDS.find(([, labels]) => labels.some((known) => known === label))?.[0] ?? OTHER;
  return sgr(`30;48;5;${background}`, ` ${text} `);
}

/**
 * The text with its entities marked, wrapped by words.
 * @param {string} text
 * @param {{ text: string, label: string, start: number, end: number }[]} entities sorted; offsets in UTF-16 code units
 * @param {{ width: number, lines: number }} size columns, and how many lines at most
 */
export function paint(text, entities, { width, lines }) {
  /** @type {{ shown: string, length: number, break?: boolean }[]} */
  const words = [];
  const plain = (/** @type {string} */ part) => {
    for (const [word] of part.matchAll(/\n|[^\s]+|[^\S\n]+/g)) {
      if (word === '\n') words.push({ shown: '', length: 0, break: true });
      else words.push(word.trim() ? { shown: word, length: word.length } : { shown: ' ', length: 1 });
    }
  };
  let at = 0;
  for (const entity of entities) {
    plain(text.slice(at, entity.start));
    const inside = entity.text.replace(/\s+/g, ' ');
    const shown = colour ? badge(entity.label, `${inside} ${dimOn(entity.label)}`) : `[${inside} ${entity.label}]`;
    words.push({ shown, length: inside.length + entity.label.length + 3 });
    at = entity.end;
  }
  plain(text.slice(at));

  const out = [''];
  let column = 0;
  for (const word of words) {
    if (word.break || (column > 0 && column + word.length > width)) {
      if (out.at(-1) !== '' || !word.break) out.push('');
      column = 0;
      if (out.length > lines) break;
    }
    if (word.break || (word.shown === ' ' && column === 0)) continue;
    out[out.length - 1] += word.shown;
    column += word.length;
  }
  if (out.length <= lines) return out.join('\n').trimEnd();
  return `${out.slice(0, lines).join('\n')} ${dim('…')}`;
}

/** The label inside a badge: smaller in weight than the entity, on the badge's own background. */
const dimOn = (/** @type {string} */ label) => `\x1b[2m${label}\x1b[22m`;
