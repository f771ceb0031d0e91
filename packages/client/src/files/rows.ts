import { finished } from 'node:stream/promises';
import { CsvError, type Parser, parse as parseCsv } from 'csv-parse';
import { UnreadableError } from './fields.js';
import { inputName, type Line, MAX_RECORD, readLines } from './lines.js';

/** A row of a CSV file, its header too. */
export interface Row {
  cells: string[];
  /** Its last line, from 1. */
  line: number;
  /** Bytes of the file up to its end. */
  end: number;
  /** Why the cells are not what the file holds. */
  problem: string | undefined;
}

/**
 * Rows as a stream, separated by commas, semicolons or tabs, as the first line is. Rows may differ in length.
 *
 * @throws {UnreadableError} where nobody can tell how it goes on, after all rows before
 */
export async function* readRows(path: string): AsyncGenerator<Row, void, undefined> {
  const damaged: Line[] = [];
  const rows: Row[] = [];
  const add = (cells: string[], line: number, end: number): void => {
    let problem: string | undefined;
    while (damaged[0] && damaged[0].line <= line) problem = damaged.shift()?.problem;
    rows.push({ cells, line, end, problem });
  };
  let parser: Parser | undefined;
  try {
    for await (const line of readLines(path)) {
      if (line.problem) damaged.push(line);
      parser ??= startParser(delimiterOf(line.text), add);
      await write(parser, line.text);
      yield* rows.splice(0);
    }
    if (parser) await finished(parser.resume().end());
    yield* rows;
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    yield* rows;
    // The parser's own message may quote a cell.
    const reason = error.code.replace(/^CSV_/, '').replaceAll('_', ' ').toLowerCase();
    throw new UnreadableError(`${inputName(path)} line ${error['lines']} is not valid CSV: ${reason}`);
  }
}

/** Rows go to `add` and not to the stream: that drops what it holds when it meets an error. */
function startParser(delimiter: string, add: (cells: string[], line: number, end: number) => void): Parser {
  const parser = parseCsv({
    delimiter,
    max_record_size: MAX_RECORD,
    on_record: (cells: string[], { lines, bytes }) => {
      add(cells, lines, bytes);
      return null;
    },
    record_delimiter: ['\r\n', '\n', '\r'],
    relax_column_count: true,
    skip_empty_lines: true,
  });
  return parser.on('error', () => {}); // told to whoever writes, or waits for the end
}

function write(parser: Parser, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    parser.write(text, (error) => (error ? reject(error) : resolve()));
  });
}

/** The separator that a CSV header holds most of outside quotes; a comma when it holds none. */
function delimiterOf(header: string): string {
  const bare = header.replace(/"[^"]*"/g, '');
  const count = (delimiter: string) => bare.split(delimiter).length;
  return [',', ';', '\t'].reduce((best, next) => (count(next) > count(best) ? next : best));
}
