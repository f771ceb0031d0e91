import { printable } from '../errors.js';

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

/**
 * The field or column that holds the text.
 *
 * @param kind what the file calls it
 * @param candidates those of `names` that may hold it
 * @throws {DocumentsError} when one that is named is missing, or when it cannot be told
 */
export function chooseField(
  kind: 'field' | 'column',
  names: string[],
  candidates: string[],
  { textField, idField }: FieldOptions,
  where: string,
): string {
  const missing = [textField, idField].find((named) => named !== undefined && !names.includes(named));
  if (missing !== undefined) throw new DocumentsError(noField(kind, missing, names, where));
  if (textField !== undefined) return textField;
  if (names.includes('text')) return 'text';
  const others = candidates.filter((name) => name !== (idField ?? defaultId(names)));
  if (others.length === 1 && others[0] !== undefined) return others[0];
  const found = others.length === 0 ? 'nor any other with text' : `and several others: ${listed(others)}`;
  throw new DocumentsError(`${where} has no field "text" ${found}; name the one that holds the text (--text-field)`);
}

/** MongoDB calls it `_id`. */
export function defaultId(names: string[]): string {
  return names.includes('_id') && !names.includes('id') ? '_id' : 'id';
}

export function noField(kind: 'field' | 'column', name: string, names: string[], where: string): string {
  return `${where} has no ${kind} "${name}"; its ${kind}s are: ${listed(names)}`;
}

/** What does not look like a name may be a text, or part of one, and is not shown. */
function listed(names: string[]): string {
  return names.filter(looksLikeName).join(', ') || 'none that looks like a name';
}

export function looksLikeName(name: string): boolean {
  return /^[\p{L}_][\p{L}\p{M}\p{N}_.-]{0,39}$/u.test(name);
}
