import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { extname } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { CsvError, type Info, parse as parseCsv } from 'csv-parse';
import { printable } from './printable.js';

/** A document as it stands in a file. */
export interface SourceDocument {
  /** The file, as it was named; `-` for standard input. */
  source: string;
  /** Its line, from 1 (of a CSV record: its last line). Not there for .txt. */
  line?: number;
  /** The record's `id`, when it has one. */
  id?: string;
  text: string;
}

export type DocumentFormat = 'txt' | 'jsonl' | 'csv';

export interface ReadOptions {
  /**
   * The field or column that holds the text.
   * @default `text`, else the only other than `id` that the header or the first JSON record has (of JSON: the only string)
   */
  textField?: string | undefined;
  /**
   * How to read every input.
   * @default a file by how its name ends; standard input as `txt`
   */
  format?: DocumentFormat | undefined;
}

/** An input that cannot be read: one sentence with the file and, where there is one, the line. */
export class DocumentsError extends Error {
  override name = 'DocumentsError';

  constructor(message: string) {
    super(printable(message));
  }
}

/**
 * Reads documents in order: .txt is one document, .jsonl and .csv (with a header) one a line or record, read as a
 * stream. UTF-8, with or without a byte order mark. Blank lines are no documents. The columns of a .csv are separated by
 * commas, semicolons or tabs, as its header is.
 *
 * @param paths files; `-` is standard input
 * @throws {DocumentsError} before the first document for a file that is missing, a directory, or of unknown kind; when
 *   it is reached for one that is empty, not UTF-8, broken, or without the text field
 */
export async function* readDocuments(
  paths: string[],
  options: ReadOptions = {},
): AsyncGenerator<SourceDocument, void, undefined> {
  const inputs: { path: string; format: DocumentFormat }[] = [];
  for (const path of paths) inputs.push({ path, format: await checkedFormat(path, options.format) });
  for (const { path, format } of inputs) {
    let empty = true;
    for await (const document of READERS[format](path, options.textField)) {
      empty = false;
      yield document;
    }
    if (empty) throw new DocumentsError(`${name(path)} is empty: it holds no document`);
  }
}

type Line = { text: string; line: number };
type Fields = { [field: string]: unknown };

const READERS = { txt: readText, jsonl: readJsonLines, csv: readCsv };

async function* readText(path: string): AsyncGenerator<SourceDocument> {
  const lines: string[] = [];
  for await (const { text } of readLines(path)) lines.push(text);
  const text = lines.join('');
  if (text !== '') yield { source: path, text };
}

async function* readJsonLines(path: string, textField: string | undefined): AsyncGenerator<SourceDocument> {
  let field = textField;
  for await (const { text: json, line } of readLines(path)) {
    if (json.trim() === '') continue;
    const where = `${name(path)} line ${line}`;
    const record = parseObject(json, where);
    field ??= Object.hasOwn(record, 'text') ? 'text' : onlyField(stringFields(record), where);
    if (!textField && field !== 'text' && Object.hasOwn(record, 'text')) {
      throw new DocumentsError(
        `${where} has a field "text", and those before it have not; name the one that holds the text (--text-field)`,
      );
    }
    yield toDocument(path, line, record, field, where);
  }
}

async function* readCsv(path: string, textField: string | undefined): AsyncGenerator<SourceDocument> {
  let field = '';
  const columns = (cells: string[]): string[] => {
    const header = cells.map((cell) => cell.trim());
    field = chooseColumn(header, textField, name(path));
    return header;
  };
  const lines = readLines(path);
  const first = await lines.next();
  if (first.done) return;
  const rows = parseCsv({ columns, delimiter: delimiterOf(first.value.text), info: true, skip_empty_lines: true });
  // An error of either end reaches the loop below, through the parser.
  pipeline(Readable.from(texts(first.value, lines)), rows).catch(() => {});
  try {
    for await (const { record, info } of rows as AsyncIterable<{ record: Fields; info: Info }>) {
      yield toDocument(path, info.lines, record, field, `${name(path)} line ${info.lines}`);
    }
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    // The parser's own message may quote a cell.
    const reason = error.code.replace(/^CSV_/, '').replaceAll('_', ' ').toLowerCase();
    throw new DocumentsError(`${name(path)} line ${error['lines']} is not valid CSV: ${reason}`);
  }
}

async function* texts(first: Line, lines: AsyncIterable<Line>): AsyncGenerator<string> {
  yield first.text;
  for await (const { text } of lines) yield text;
}

/** Decodes line by line, so that bytes that are not UTF-8 have a line number. A line keeps its line break. */
async function* readLines(path: string): AsyncGenerator<Line> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let line = 0;
  const decode = (parts: Buffer[]): Line => {
    line++;
    try {
      const text = decoder.decode(Buffer.concat(parts));
      return { text: line === 1 ? text.replace(/^\uFEFF/, '') : text, line };
    } catch {
      throw new DocumentsError(`${name(path)} line ${line} is not UTF-8; convert the file first, e.g. with iconv`);
    }
  };
  let parts: Buffer[] = [];
  try {
    for await (const chunk of (path === '-' ? process.stdin : createReadStream(path)) as AsyncIterable<Buffer>) {
      let start = 0;
      for (let end = chunk.indexOf('\n'); end !== -1; end = chunk.indexOf('\n', start)) {
        parts.push(chunk.subarray(start, end + 1));
        start = end + 1;
        yield decode(parts);
        parts = [];
      }
      parts.push(chunk.subarray(start));
    }
  } catch (error) {
    throw unreadable(path, error);
  }
  const last = decode(parts);
  if (last.text !== '') yield last;
}

function parseObject(json: string, where: string): Fields {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw new DocumentsError(`${where} is not valid JSON`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new DocumentsError(`${where} is not a JSON object; one such as {"text": "…"} is expected on each line`);
  }
  return value as Fields;
}

/** The separator that a CSV header holds most of outside quotes; a comma when it holds none. */
function delimiterOf(header: string): string {
  const bare = header.replace(/"[^"]*"/g, '');
  const count = (delimiter: string) => bare.split(delimiter).length;
  return [',', ';', '\t'].reduce((best, next) => (count(next) > count(best) ? next : best));
}

/** Names the column that holds the text, and takes no first document for a header. */
function chooseColumn(header: string[], textField: string | undefined, file: string): string {
  const wanted = textField ?? 'text';
  if (header.includes(wanted)) return wanted;
  if (!header.every(looksLikeName)) {
    throw new DocumentsError(
      `${file} has no column "${wanted}", and its first line does not look like a header; ` +
        'add one, e.g. id,text, or name a column of it (--text-field)',
    );
  }
  if (textField) throw new DocumentsError(`${file} has no column "${textField}"; its columns are: ${listed(header)}`);
  return onlyField(header, file);
}

function stringFields(record: Fields): string[] {
  return Object.keys(record).filter((field) => typeof record[field] === 'string');
}

function onlyField(candidates: string[], where: string): string {
  const others = candidates.filter((field) => field !== 'id');
  if (others.length === 1 && others[0] !== undefined) return others[0];
  const found = others.length === 0 ? 'nor any other with text' : `and several others: ${listed(others)}`;
  throw new DocumentsError(`${where} has no field "text" ${found}; name the one that holds the text (--text-field)`);
}

/** What does not look like a name may be a text, or part of one, and is not shown. */
function listed(fields: string[]): string {
  return fields.filter(looksLikeName).join(', ') || 'none that looks like a name';
}

function looksLikeName(field: string): boolean {
  return /^[\p{L}_][\p{L}\p{M}\p{N}_.-]{0,39}$/u.test(field);
}

function toDocument(source: string, line: number, record: Fields, field: string, where: string): SourceDocument {
  const text = record[field];
  if (!Object.hasOwn(record, field)) {
    throw new DocumentsError(`${where} has no field "${field}"; its fields are: ${listed(Object.keys(record))}`);
  }
  if (typeof text !== 'string') {
    throw new DocumentsError(
      `${where} has no string in the field "${field}" but ${text === null ? 'null' : typeof text}`,
    );
  }
  const id = record['id'];
  return { source, line, ...(typeof id === 'string' || typeof id === 'number' ? { id: String(id) } : {}), text };
}

async function checkedFormat(path: string, format: DocumentFormat | undefined): Promise<DocumentFormat> {
  if (path === '-') return format ?? 'txt';
  try {
    if ((await stat(path)).isDirectory()) {
      throw new DocumentsError(`${path} is a directory; name the files in it, e.g. ${path}/*.txt`);
    }
  } catch (error) {
    throw unreadable(path, error);
  }
  const extension = extname(path).slice(1).toLowerCase();
  if (format) return format;
  if (extension === 'txt' || extension === 'jsonl' || extension === 'csv') return extension;
  throw new DocumentsError(`${path} is not a .txt, .jsonl or .csv file; say how to read it with --format`);
}

function unreadable(path: string, error: unknown): DocumentsError {
  if (error instanceof DocumentsError) return error;
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOENT') return new DocumentsError(`there is no file ${path}; check the path`);
  if (code === 'EACCES') return new DocumentsError(`${path} may not be read; check its permissions`);
  return new DocumentsError(`${name(path)} cannot be read (${code ?? 'unknown error'})`);
}

function name(path: string): string {
  return path === '-' ? 'standard input' : path;
}
