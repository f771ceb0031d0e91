import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { validateHeaderValue } from 'node:http';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { InputError } from '../input-error.js';
import type { Target } from './connection.js';

/** What every request of a run is. */
export interface Load extends Target {
  /** Value of the `apikey` header. */
  apiKey: string;
  /** What they carry. */
  requests: Requests;
  /** How long an answer may take, ms; before that, how long connecting may. @default 60_000 */
  timeoutMs?: number;
}

/** What one request carries. */
export interface Payload {
  body: string;
  /** What a sample says of it: how many documents, of how many code points in all, in a body of how many bytes. */
  sizes: { documents: number; characters: number; bytes: number };
}

/** The bodies of a run's requests, one after another, and again from the first. */
export class Requests {
  readonly #payloads: readonly Payload[];

  /** @param payloads one at least */
  constructor(payloads: readonly Payload[]) {
    this.#payloads = payloads;
  }

  /** The same document in each. */
  static of(text: string): Requests {
    return new Requests([payloadOf([text])]);
  }

  /**
   * A line of a file each: a body (`{"text": …}`, `{"texts": […]}`), or a document (a JSON string).
   *
   * @param texts so many documents in each request, as the client sends them; 1 sends `{"text"}`
   * @param seed of the order in which they are drawn; undefined for that of the file
   * @throws {InputError} for a file that cannot be read, or a line that is neither
   */
  static read(file: string, texts: number, seed: number | undefined): Requests {
    const found = readText(file)
      .split('\n')
      .map((line, at) => ({ line: line.trim(), where: `${file}, line ${at + 1},` }))
      .filter(({ line }) => line !== '')
      .map(({ line, where }) => documentsOf(line, where, texts));
    if (found.length === 0) throw new InputError(`${file} is empty; give one request or document a line.`);
    if (seed !== undefined) shuffle(found, seed);
    if (texts === 1) return new Requests(found.map(({ documents, body }) => payloadOf(documents, body)));
    const documents = found.flatMap(({ documents }) => documents);
    const full = Array.from({ length: Math.ceil(documents.length / texts) }, (_, i) =>
      payloadOf(documents.slice(i * texts, (i + 1) * texts), undefined, true),
    );
    return new Requests(full);
  }

  nth(index: number): Payload {
    return this.#payloads[index % this.#payloads.length] as Payload;
  }

  /** What a run's file says of them: never a text. */
  get info() {
    const sum = (of: keyof Payload['sizes']) => this.#payloads.reduce((total, { sizes }) => total + sizes[of], 0);
    const [first] = this.#payloads as [Payload];
    const digest = createHash('sha256');
    // Of a single text its own digest, as ever.
    if (this.#payloads.length === 1 && first.sizes.documents === 1)
      digest.update(JSON.parse(first.body).text ?? first.body);
    else for (const { body } of this.#payloads) digest.update(body).update('\n');
    return {
      requests: this.#payloads.length,
      documents: sum('documents'),
      characters: sum('characters'),
      sha256: digest.digest('hex'),
    };
  }
}

/** @throws {InputError} */
export function readText(file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(file));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = code === 'ERR_ENCODING_INVALID_ENCODED_DATA' ? 'not UTF-8' : code;
    throw new InputError(`Cannot read ${file} (${why}).`);
  }
}

/** The documents of a line, and the line itself where it is a body. */
function documentsOf(line: string, where: string, texts: number): { documents: string[]; body?: string } {
  let found: unknown;
  try {
    found = JSON.parse(line);
  } catch {
    throw new InputError(`${where} is not JSON; give {"text": …}, {"texts": […]} or a document as a JSON string.`);
  }
  const { text = found, texts: many } = (found ?? {}) as { text?: unknown; texts?: unknown };
  const documents = Array.isArray(many) ? many : [text];
  if (!documents.every((one) => typeof one === 'string')) {
    throw new InputError(`${where} has no text; give {"text": …}, {"texts": […]} or a document as a JSON string.`);
  }
  if (many === undefined && text === '') throw new InputError(`${where} is empty: the function would answer 400.`);
  if (many !== undefined && texts > 1) throw new InputError(`${where} holds texts already; leave out --texts.`);
  return { documents, ...(typeof found === 'object' && { body: line }) };
}

function payloadOf(documents: string[], body?: string, many = false): Payload {
  const characters = documents.reduce((sum, text) => sum + Array.from(text).length, 0);
  const made = body ?? JSON.stringify(many ? { texts: documents } : { text: documents[0] });
  return { body: made, sizes: { documents: documents.length, characters, bytes: Buffer.byteLength(made) } };
}

/** Fisher and Yates's. */
function shuffle(list: unknown[], seed: number): void {
  const random = xoroshiro128plus(seed);
  for (let at = list.length - 1; at > 0; at--) {
    const other = uniformInt(random, 0, at);
    [list[at], list[other]] = [list[other], list[at]];
  }
}

/**
 * One whole request, ready to write.
 *
 * @param closes whether it ends its connection
 * @throws {TypeError} when the key cannot be a header's value
 */
export function encodeRequest({ url, apiKey }: Load, { body, sizes }: Payload, closes = true): Buffer {
  return Buffer.from(encodeHead(url, apiKey, sizes.bytes, closes) + body);
}

/** The head of a POST. */
export function encodeHead(url: URL, apiKey: string, bodyBytes: number, closes: boolean): string {
  validateHeaderValue('apikey', apiKey);
  const head = [
    `POST ${url.pathname}${url.search} HTTP/1.1`,
    `host: ${url.host}`,
    `apikey: ${apiKey}`,
    'content-type: application/json',
    `content-length: ${bodyBytes}`,
    ...(closes ? ['connection: close'] : []),
  ];
  return `${head.join('\r\n')}\r\n\r\n`;
}
