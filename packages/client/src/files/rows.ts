import { type Line, MAX_RECORD, readLines } from './lines.js';

/** A row of a CSV file, its header too. `line` is its last. */
export interface Row extends Omit<Line, 'text'> {
  cells: string[];
}

/** How quotes in a quoted cell are meant: doubled; behind a backslash; or as they stand, on one line. */
const STYLES = ['doubled', 'backslash', 'bare'] as const;
type Reading = { cells: string[]; lines: number };

/**
 * Rows as a stream, each with as many cells as the header, separated by what the header is separated by. Of the ways to
 * read a row the strictest that gives that many is taken. A row that none fits is told by its `problem`, and reading goes
 * on with the next line, so that a quote which is never closed costs no row after it.
 *
 * @param delimiter of every row; without it the one of , ; tab | that the header has most of, or that `sep=` names
 */
export async function* readRows(path: string, delimiter?: string): AsyncGenerator<Row, void, undefined> {
  const source = readLines(path);
  try {
    yield* split(new Rows(source), delimiter);
  } finally {
    await source.return();
  }
}

async function* split(rows: Rows, known: string | undefined): AsyncGenerator<Row, void, undefined> {
  let delimiter = known;
  let columns: number | undefined;
  for (let first = await rows.line(0); first; first = await rows.line(0)) {
    const text = first.text.replace(/[\r\n]+$/, '');
    const sep = columns === undefined ? /^"?sep=([^\w "])"?$/i.exec(text)?.[1] : undefined;
    if (text === '' || sep) {
      delimiter = sep ?? delimiter;
      rows.drop(1);
      continue;
    }
    delimiter ??= delimiterOf(text);
    const { reading, problem } = await rows.read(delimiter, columns);
    columns ??= reading.cells.length;
    const lines = rows.drop(reading.lines);
    const last = lines.at(-1) as Line;
    const span = lines.length > 1 ? ` (it begins at line ${first.line})` : '';
    const damage = lines.find((line) => line.problem)?.problem ?? (problem && `is not valid CSV: ${problem}${span}`);
    yield { cells: reading.cells, line: last.line, end: last.end, problem: damage };
  }
}

/** Lines that were read but are not yet of a row. */
class Rows {
  #ahead: Line[] = [];
  #at = 0;
  #number = 0;
  /** Whether CR alone ends a line, as Excel for the Mac once had it. */
  #byCr: boolean | undefined;

  constructor(private readonly source: AsyncGenerator<Line, void, undefined>) {}

  /** The line that is `i` from here. */
  async line(i: number): Promise<Line | undefined> {
    while (this.#at + i >= this.#ahead.length) {
      const { value } = await this.source.next();
      if (!value) return undefined;
      this.#byCr ??= /\r(?!\n|$)/.test(value.text);
      const parts = this.#byCr ? value.text.split(/(?<=\r)(?!\n|$)/) : [value.text];
      for (const text of parts) this.#ahead.push({ ...value, text, line: ++this.#number });
    }
    return this.#ahead[this.#at + i];
  }

  drop(count: number): Line[] {
    const dropped = this.#ahead.slice(this.#at, this.#at + count);
    this.#at += count;
    if (this.#at > this.#ahead.length / 2) {
      this.#ahead = this.#ahead.slice(this.#at);
      this.#at = 0;
    }
    return dropped;
  }

  async read(delimiter: string, columns: number | undefined): Promise<{ reading: Reading; problem?: string }> {
    const { text } = (await this.line(0)) as Line;
    const plain = { cells: text.replace(/[\r\n]+$/, '').split(delimiter), lines: 1 };
    let best: Reading | undefined;
    // Tab-separated text is often written without any quoting, so that quotes as they stand are not the cell's.
    const styles = delimiter === '\t' ? STYLES.slice(0, 2) : STYLES;
    for (const style of text.includes('"') ? styles : [undefined]) {
      const reading = style ? await this.#readAs(style, delimiter) : plain;
      if (reading && fits(reading, columns)) return { reading };
      best ??= reading;
    }
    // A quote that opens a cell and no other that closes it: the cell may go on in the next line.
    const isOpen = (cell: string) => cell.startsWith('"') && cell.split('"').length % 2 === 0;
    const mayBePlain = delimiter === '\t' || !plain.cells.some(isOpen);
    if (mayBePlain && fits(plain, columns)) return { reading: plain };
    if (!best) return { reading: plain, problem: 'a quote is not closed, or not doubled' };
    return { reading: best, problem: `the header has ${columns} fields, and this row ${best.cells.length}` };
  }

  async #readAs(style: (typeof STYLES)[number], delimiter: string): Promise<Reading | undefined> {
    const [opening, closing] = [/ *"/y, new RegExp(` *(?=\\${delimiter}|\\r?\\n?$)`, 'y')];
    const first = (await this.line(0)) as Line;
    const cells: string[] = [];
    let { text } = first;
    let lines = 1;
    for (let at = 0; ; at += delimiter.length) {
      opening.lastIndex = at;
      if (!opening.test(text)) {
        const end = text.indexOf(delimiter, at);
        cells.push(end === -1 ? text.slice(at).replace(/[\r\n]+$/, '') : text.slice(at, end));
        if (end === -1) return { cells, lines };
        at = end;
        continue;
      }
      at = opening.lastIndex;
      for (let cell = ''; ; ) {
        const quote = text.indexOf('"', at);
        if (quote === -1) {
          cell += text.slice(at);
          const next = style === 'bare' ? undefined : await this.line(lines++);
          if (!next || next.end - first.end > MAX_RECORD) return undefined;
          ({ text } = next);
          at = 0;
          continue;
        }
        cell += text.slice(at, quote);
        at = quote + 1;
        closing.lastIndex = at;
        if (style === 'backslash' && /(?<!\\)(?:\\\\)*\\$/.test(cell.slice(-64))) cell = `${cell.slice(0, -1)}"`;
        else if (style !== 'backslash' && text[at] === '"') cell += text[at++];
        else if (closing.test(text)) {
          at = closing.lastIndex;
          // Rather a quote that was never meant to open a cell, and the rows after it.
          if (delimiter === '\t' && /\n/.test(cell) && cell.includes('\t')) return undefined;
          cells.push(cell);
          break;
        } else if (style === 'bare') cell += '"';
        else return undefined;
      }
      if (!text.startsWith(delimiter, at)) return { cells, lines };
    }
  }
}

/** Cells beyond the header's may be there when they are empty: many programs end rows by a separator. */
function fits({ cells }: Reading, columns = cells.length): boolean {
  return cells.length >= columns && cells.slice(columns).every((cell) => cell === '');
}

function delimiterOf(header: string): string {
  const bare = header.replace(/"[^"]*"/g, '');
  const count = (delimiter: string) => bare.split(delimiter).length;
  return [',', ';', '\t', '|'].reduce((best, next) => (count(next) > count(best) ? next : best));
}
