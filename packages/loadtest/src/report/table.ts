import { styleText } from 'node:util';

export type Style = Parameters<typeof styleText>[0];

/** A figure, and in small what it comes with, such as its interval; either may be empty. */
export type Cell = string | readonly [figure: string, aside: string];

/** A table of a report, for the terminal and for the page. */
export interface Table {
  /** What it is of, where no heading says so. */
  title?: string;
  head: readonly string[];
  /** The first cell of a row names it. */
  rows: readonly (readonly Cell[])[];
  /** Columns that are words and no figures. */
  words?: readonly number[];
  /** What its figures are. */
  note?: string;
}

/**
 * A table for the terminal, with a dim head; figures stand right. One without rows is left out.
 *
 * @param styles of the columns, whose figures then stand left
 */
export function tableLines({ title, head, rows, words = [], note }: Table, styles?: readonly Style[]): string[] {
  if (rows.length === 0) return [];
  const texts = [head, ...rows.map((row) => row.map(cellText))];
  const widths = head.map((_, column) => Math.max(...texts.map((row) => row[column]?.length ?? 0)));
  const lines = texts.map((row, index) => {
    const cells = row.map((text, column) => {
      const left = styles !== undefined || words.includes(column);
      return left ? text.padEnd(widths[column] ?? 0) : text.padStart(widths[column] ?? 0);
    });
    if (styles) return cells.map((cell, column) => styleText(styles[column] ?? 'reset', cell)).join('   ');
    const line = cells.join('   ').trimEnd();
    return index === 0 ? styleText('dim', line) : line;
  });
  return [...(title ? [title] : []), ...lines, ...(note ? [styleText('dim', note)] : [])];
}

function cellText(cell: Cell): string {
  if (typeof cell === 'string') return cell;
  const [figure, aside] = cell;
  return figure && aside ? `${figure} [${aside}]` : figure || aside;
}

/** Blocks of lines with an empty line between them. */
export function blocks(...all: readonly (readonly string[])[]): string {
  const shown = all.filter((lines) => lines.length > 0);
  return `${shown.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}
