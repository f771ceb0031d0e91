// A request's head as nginx 1.25 reads it, and what it refuses before Kong sees it (ngx_http_parse.c, ngx_http_request.c).
import { type Headers, values } from './headers.js';
import type { Reader } from './reader.js';

/** nginx's client_header_buffer_size and large_client_header_buffers, bytes. */
const FIRST_BUFFER = 1024;
const LARGE_BUFFER = 8192;
const LARGE_BUFFERS = 4;

const MOST_HEADERS = 1000;

/** Headers that nginx takes once. */
const UNIQUE = new Set(
  [
    'authorization content-length content-range expect host if-match if-modified-since if-none-match if-range',
    'if-unmodified-since range transfer-encoding',
  ].flatMap((line) => line.split(' ')),
);

/** A request's head. Text is latin1. */
export interface Head {
  readonly method: string;
  readonly target: string;
  /** `1.0`, `1.1`. */
  readonly version: string;
  /** Without those whose names nginx drops (ignore_invalid_headers). */
  readonly headers: Headers;
  readonly framing: number | 'chunked';
  /** Whether the caller wants the connection to stay. */
  readonly keepAlive: boolean;
}

/** A refused head. nginx stops at what it refuses, and its error page knows of no header behind that. */
export class RefusedHead extends Error {
  method = '';
  target = '';

  constructor(
    readonly status: number,
    /** Empty where the page is nginx's own. */
    message: string,
    readonly known: Headers,
  ) {
    super(message);
  }
}

/**
 * Reads one head.
 *
 * @returns undefined when the connection ended before
 * @throws {RefusedHead}
 */
export async function readHead(reader: Reader): Promise<Head | undefined> {
  const buffers = new Buffers();
  let line: string | null | undefined;
  // Empty lines before a request are let go.
  do line = await reader.line(LARGE_BUFFER);
  while (line === '' || line === '\r');
  if (line === undefined) return undefined;
  if (line === null || !buffers.take(line)) throw new RefusedHead(414, 'URI too long', []);
  const [, method = '', target = '', major, minor] =
    /^([A-Z_-]+) +((?:\/|[A-Za-z])[^\0-\x20\x7f]*) +HTTP\/([1-9]\d*)\.(\d{1,3}) *\r?$/.exec(line) ?? [];
  const headers: Headers = [];
  try {
    if (major === undefined) throw bad([]);
    if (major !== '1') throw new RefusedHead(505, '', []);
    if (!isTarget(target)) throw bad([]);
    await readHeaders(reader, buffers, headers);
    return { method, target, version: `1.${minor}`, headers, ...message(method, `1.${minor}`, headers) };
  } catch (error) {
    if (error instanceof RefusedHead) Object.assign(error, { method, target });
    if (error !== GONE) throw error;
    return undefined;
  }
}

const GONE = new Error('the connection ended in a head');

/** Reads headers up to the empty line, and refuses those that nginx refuses as it reads. */
async function readHeaders(reader: Reader, buffers: Buffers, headers: Headers): Promise<void> {
  const seen = new Set<string>();
  const tooLarge = () => new RefusedHead(400, 'Request header or cookie too large', headers);
  for (;;) {
    const raw = await reader.line(LARGE_BUFFER);
    if (raw === undefined) throw GONE;
    if (raw === null || !buffers.take(raw)) throw tooLarge();
    const line = raw.replace(/\r$/, '');
    if (line === '') return;
    // Without a colon it is a header without a value.
    const [, name = '', value = ''] = /^([^\0-\x20\x7f:]+)(?::(.*))?$/s.exec(line) ?? [];
    if (name === '' || /[\0\r]/.test(line)) throw bad(headers);
    if (!/^[\w-]+$/.test(name)) continue;
    if (headers.length >= MOST_HEADERS) throw tooLarge();
    const lower = name.toLowerCase();
    // Spaces around a value go, tabs stay.
    const trimmed = value.replace(/^ +| +$/g, '');
    if (UNIQUE.has(lower) && seen.has(lower)) throw bad(headers);
    if (lower === 'host' && hostName(trimmed) === undefined) throw bad(headers);
    seen.add(lower);
    headers.push([name, trimmed]);
  }
}

/** What the headers say of the message, once all are there. */
function message(method: string, version: string, headers: Headers): Pick<Head, 'framing' | 'keepAlive'> {
  const [length] = values(headers, 'content-length');
  const [encoding] = values(headers, 'transfer-encoding');
  const connection = values(headers, 'connection').join().toLowerCase();
  const old = version === '1.0';
  if (!old && values(headers, 'host').length === 0) throw bad(headers);
  if (length !== undefined && !/^\d{1,15}$/.test(length)) throw bad(headers);
  if (encoding !== undefined) {
    if (old || length !== undefined) throw bad(headers);
    if (encoding.toLowerCase() !== 'chunked') throw new RefusedHead(501, '', headers);
  }
  if (method === 'TRACE' || method === 'CONNECT') throw new RefusedHead(405, 'Method not allowed', headers);
  return {
    framing: encoding === undefined ? Number(length ?? 0) : 'chunked',
    keepAlive: old ? connection.includes('keep-alive') : !connection.includes('close'),
  };
}

function bad(known: Headers): RefusedHead {
  return new RefusedHead(400, 'Bad request', known);
}

/** The buffers that nginx reads a head into: a line must lie whole in one of them. */
class Buffers {
  #room = FIRST_BUFFER;
  #left = LARGE_BUFFERS;

  /** @param line without its LF */
  take(line: string): boolean {
    const length = line.length + 1;
    if (length > this.#room) {
      if (length > LARGE_BUFFER || this.#left === 0) return false;
      this.#left -= 1;
      this.#room = LARGE_BUFFER;
    }
    this.#room -= length;
    return true;
  }
}

/**
 * Whether nginx can read a target: its host is one, every escape is one, no NUL, and `..` never leads above the root.
 */
function isTarget(target: string): boolean {
  const [, authority, path = ''] = /^(?:[a-z][a-z\d+.-]*:\/\/([^/?#]*))?([^?#]*)/is.exec(target) ?? [];
  if (authority === undefined && !target.startsWith('/')) return false;
  if (authority !== undefined && !/^([a-z\d.-]+|\[[^\]]*\])(:\d*)?$/i.test(authority)) return false;
  if (authority !== undefined && hostName(authority) === undefined) return false;
  if (/%(?![\da-f]{2})|%00/i.test(path)) return false;
  let depth = 0;
  for (const part of path.replace(/%2e/gi, '.').replace(/%2f/gi, '/').split('/')) {
    if (part === '..') depth -= 1;
    else if (part !== '' && part !== '.') depth += 1;
    if (depth < 0) return false;
  }
  return true;
}

/**
 * The host of a Host header or of a target as nginx knows it (ngx_http_validate_host): in lower case, without what
 * follows its first colon, and without a dot at the end; undefined for one that it refuses.
 */
export function hostName(value: string): string | undefined {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: nginx refuses them here.
  if (/\.\.|[/\x00-\x20\x7f]/.test(value)) return undefined;
  const [host = ''] = /^\[[^\]]*\]|^[^:]*/.exec(value) ?? [];
  return host.replace(/\.$/, '').toLowerCase() || undefined;
}
