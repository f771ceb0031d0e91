import { styleText } from 'node:util';

type Style = Parameters<typeof styleText>[0];

/**
 * Rows for the terminal, the first one a dim head; figures stand right.
 *
 * @param left columns that are words
 * @param style of a column, in place of the dim head
 */
export function table(rows: readonly (readonly string[])[], left: readonly number[] = [], style?: Style[]): string[] {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  return rows.map((row, index) => {
    const cells = row.map((cell, i) =>
      left.includes(i) ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0),
    );
    if (style) return cells.map((cell, i) => styleText(style[i] ?? 'reset', cell)).join('   ');
    const line = cells.join('   ').trimEnd();
    return index === 0 ? styleText('dim', line) : line;
  });
}

/** Blocks of lines with an empty line between them. */
export function blocks(...all: readonly (readonly string[])[]): string {
  const shown = all.filter((lines) => lines.length > 0);
  return `${shown.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}
