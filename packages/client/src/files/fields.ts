import { printable } from '../printable.js';

/** What concerns every input, or what an option can mend: one sentence with the file and, where there is one, the line. */
export class DocumentsError extends Error {
  override name = 'DocumentsError';

  constructor(message: string) {
    super(printable(message));
  }
}

/** A record, or the rest of a file, that cannot be read; what comes after it can. */
export class UnreadableError extends DocumentsError {}

/** A record as JSON has it. */
export type Fields = { [field: string]: unknown };

/** Which fields or columns the options name. */
export interface FieldOptions {
  /**
   * The field or column that holds the text.
   * @default `text`, else the only other than the id that the header or the first JSON record has (of JSON: the only
   *   string)
   */
  textField?: string | undefined;
  /**
   * The field or column that holds the id.
   * @default `id`, else `_id`
   */
  idField?: string | undefined;
}

/** The field of the text, as the first record of a JSON file tells. */
export function chooseField(record: Fields, { textField, idField }: FieldOptions, where: string): string {
  for (const named of [textField, idField]) {
    if (named !== undefined && !Object.hasOwn(record, named)) throw new DocumentsError(noField(record, named, where));
  }
  if (textField !== undefined) return textField;
  if (Object.hasOwn(record, 'text')) return 'text';
  const strings = Object.keys(record).filter((field) => typeof record[field] === 'string');
  return onlyField(strings, idField ?? defaultId(Object.keys(record)), where);
}

/** The column of the text. Takes no first document for a header. */
export function chooseColumn(header: string[], { textField, idField }: FieldOptions, file: string): string {
  const missing = [textField, idField].find((named) => named !== undefined && !header.includes(named));
  if (missing === undefined && header.includes(textField ?? 'text')) return textField ?? 'text';
  if (!header.every(looksLikeName)) {
    throw new DocumentsError(
      `${file} has no column "${missing ?? 'text'}", and its first line does not look like a header; ` +
        'add one, e.g. id,text, or name a column of it (--text-field)',
    );
  }
  if (missing !== undefined) {
    throw new DocumentsError(`${file} has no column "${missing}"; its columns are: ${listed(header)}`);
  }
  return onlyField(header, idField ?? defaultId(header), file);
}

/** MongoDB calls it `_id`. */
export function defaultId(fields: string[]): string {
  return fields.includes('_id') && !fields.includes('id') ? '_id' : 'id';
}

export function noField(record: Fields, field: string, where: string): string {
  return `${where} has no field "${field}"; its fields are: ${listed(Object.keys(record))}`;
}

function onlyField(candidates: string[], idField: string, where: string): string {
  const others = candidates.filter((field) => field !== idField);
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
