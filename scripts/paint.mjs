// Entities in a text as a person likes to see them: coloured by kind on a terminal, bracketed elsewhere.
import process from 'node:process';

/** OntoNotes' labels by kind, and the background (256-colour palette) of each kind. Black on them is readable. */
export const KINDS = /** @type {const} */ ([
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
export function badge(label, text = safe(label)) {
  const background = KINDS.find(([, labels]) => labels.some((known) => known === label))?.[0] ?? OTHER;
  return colour ? sgr(`30;48;5;${background}`, ` ${text} `) : text;
}

/**
 * The text with its entities marked, wrapped by words.
 * @param {string} text
 * @param {{ text: string, label: string, start: number, end: number }[]} entities sorted; offsets in UTF-16 code units
 * @param {{ width: number, lines: number }} size columns, and how many lines at most
 */
export function paint(text, entities, { width, lines }) {
  /** @type {string[]} */
  const out = [];
  let line = '';
  let column = 0;
  const endLine = () => {
    if (line.trim()) out.push(line.trimEnd());
    line = '';
    column = 0;
  };
  let left = entities.length;
  for (const { shown, columns, entity } of words(text, entities)) {
    if (shown === '\n' || (column > 0 && column + columns > width)) endLine();
    if (out.length === lines) return `${out.join('\n')} ${dim(`… and ${left} more`)}`;
    if (entity) left -= 1;
    if (shown === '\n' || (shown === ' ' && column === 0)) continue;
    line += shown;
    column += columns;
  }
  endLine();
  return out.join('\n');
}

/**
 * Words, single spaces, line breaks, and each entity as one word.
 * @param {string} text
 * @param {{ text: string, label: string, start: number, end: number }[]} entities
 * @returns {Generator<{ shown: string, columns: number, entity?: true }>}
 */
function* words(text, entities) {
  let at = 0;
  for (const entity of [...entities, undefined]) {
    for (const [word] of text.slice(at, entity?.start).matchAll(/\n|\S+|[^\S\n]+/g)) {
      const shown = word === '\n' || word.trim() ? safe(word) : ' ';
      yield { shown, columns: shown.length };
    }
    if (!entity) return;
    const label = safe(entity.label);
    const inside = safe(entity.text.replace(/\s+/g, ' '));
    const shown = colour ? badge(entity.label, `${inside} ${faint(label)}`) : `[${inside} ${label}]`;
    yield { shown, columns: inside.length + label.length + 3, entity: true };
    at = entity.end;
  }
}

/**
 * A text must not command the terminal it is shown on, nor turn its lines round.
 * @param {string} text
 */
export const safe = (text) => text.replace(/(?!\n)\p{Cc}|\p{Bidi_Control}/gu, '\ufffd');

/** A label inside a badge, on the badge's own background. @param {string} label */
const faint = (label) => `\x1b[2m${label}\x1b[22m`;
