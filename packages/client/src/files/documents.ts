import { checkedInput, type DocumentFormat, type Input, readEntries, type SourceDocument } from './entries.js';
import { DocumentsError, type FieldOptions } from './fields.js';

export { type DocumentFormat, DocumentsError, type SourceDocument };

export interface ReadOptions extends FieldOptions {
  /**
   * How to read every input.
   * @default a file by how its name ends; standard input as `txt`
   */
  format?: DocumentFormat | undefined;
}

/**
 * Reads documents in order, as a stream: .txt is one document; .jsonl, .ndjson, .json (an array), .csv and .tsv (with a
 * header) hold one a record. UTF-8, or UTF-16 with a byte order mark; gzip is unpacked. Blank lines are no documents. The
 * columns of a .csv are separated by commas, semicolons, tabs or bars, as its header is.
 *
 * @param paths files; `-` is standard input
 * @throws {DocumentsError} before the first document for a file that is missing, a directory, or of unknown kind; when
 *   it is reached for one that is empty, not UTF-8, broken, or without the text field
 */
export async function* readDocuments(
  paths: string[],
  options: ReadOptions = {},
): AsyncGenerator<SourceDocument, void, undefined> {
  const inputs: Input[] = [];
  for (const path of paths) inputs.push(await checkedInput(path, options.format));
  for await (const { read: _, ...entry } of readEntries(inputs, options)) {
    if ('error' in entry) throw entry.error;
    yield entry;
  }
}
