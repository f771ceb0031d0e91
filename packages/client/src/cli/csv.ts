import type { DocumentId } from '../files/entries.js';
import { readLines } from '../files/lines.js';
import { foreign } from './errors.js';
import { type OutputFormat, OutputRecord, toWord } from './record.js';

const COLUMNS = ['source', 'line', 'id', 'entities', 'label', 'text', 'start', 'end', 'model', 'error', 'hash'];
const HEADER = `${COLUMNS.join(',')}\n`;
// What a spreadsheet takes for a formula, https://owasp.org/www-community/attacks/CSV_Injection, and what we make of it.
const FORMULA = /^'*[=+\-@\t\r\n＝＋－＠]/;
const ESCAPED = /^'+[=+\-@\t\r\n＝＋－＠]/;

/**
 * One row an entity; a document without any, or with an error, is one row. `entities` counts the document's, so that a
 * reader, and a resume, can tell the last of its rows. A cell that a spreadsheet would run begins with an apostrophe more.
 */
export const csv: OutputFormat = {
  name: 'csv',
  header: HEADER,
  toText({ source, line, id, entities = [], model, error, hash }) {
    const document = [source, line, id, error ? undefined : entities.length];
    const after = [model, error && `${error.code}: ${error.message}`, hash];
    if (entities.length === 0) return toRow([...document, '', '', '', '', ...after]);
    return entities
      .map(({ label, text, start, end }) => toRow([...document, label, text, start, end, ...after]))
      .join('');
  },
  async *read(path) {
    const rows: string[][] = []; // of one document
    for await (const { row, line, end } of readRows(path)) {
      rows.push(fromRow(row) ?? foreign(path, line));
      if (rows.length < Number(rows[0]?.[3])) continue;
      yield { record: parse(rows.splice(0)) ?? foreign(path, line), end };
    }
  },
};

/** The whole rows under the header, as text: a line break within quotes ends none. */
async function* readRows(path: string): AsyncGenerator<{ row: string; line: number; end: number }> {
  let row = '';
  let quotes = 0;
  for await (const { text, line, end } of readLines(path)) {
    if (line === 1) {
      if (text !== HEADER && (text.endsWith('\n') || !HEADER.startsWith(text))) foreign(path, line);
      continue;
    }
    row += text;
    quotes += text.split('"').length - 1;
    if (quotes % 2 === 1 || !text.endsWith('\n')) continue;
    yield { row, line, end };
    row = '';
    quotes = 0;
  }
}

function parse(rows: string[][]): OutputRecord | undefined {
  const [first = []] = rows;
  const [source, line, id, count, , , , , model, error, hash] = first;
  // Every row of a document says the same of it.
  if (!rows.every((row) => [0, 1, 2, 3, 8, 9, 10].every((i) => row[i] === first[i]))) return undefined;
  const [, code, message] = /^(.*?): (.*)$/s.exec(error ?? '') ?? [];
  const entities = rows.map(([, , , , label, text, start, end]) => ({
    text,
    label,
    start: Number(start),
    end: Number(end),
  }));
  return OutputRecord.safeParse({
    source,
    ...(line && { line: Number(line) }),
    ...(id && { id }),
    ...(model && { model }),
    ...(hash && { hash }),
    ...(error ? { error: { code, message } } : { entities: count === '0' ? [] : entities }),
  }).data;
}

function toRow(cells: (DocumentId | undefined)[]): string {
  return `${cells.map((cell) => quote(toWord(cell))).join(',')}\n`;
}

/** RFC 4180. */
function quote(cell: string): string {
  const safe = FORMULA.test(cell) ? `'${cell}` : cell;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** The inverse of `toRow`; undefined for what it does not write. */
function fromRow(row: string): string[] | undefined {
  const cells: string[] = [];
  for (const [, quoted, plain = ''] of `,${row.slice(0, -1)}`.matchAll(/,(?:"([^"]*(?:""[^"]*)*)"|([^",]*))/g)) {
    const cell = quoted?.replaceAll('""', '"') ?? plain;
    cells.push(ESCAPED.test(cell) ? cell.slice(1) : cell);
  }
  return cells.length === COLUMNS.length && toRow(cells) === row ? cells : undefined;
}
