// What nginx 1.25 refuses before Kong sees it (ngx_http_request.c and ngx_http_parse.c), told from what Node has parsed.
import { createServer } from 'node:http';
import { Duplex } from 'node:stream';
import type { Refusal } from './exchange.js';
import { type Headers, pairs, values } from './headers.js';

/** nginx's client_header_buffer_size and large_client_header_buffers, bytes. */
const FIRST_BUFFER = 1024;
const LARGE_BUFFER = 8192;
const LARGE_BUFFERS = 4;

/** More than any head that nginx takes, so that a longer one can be told by its line. */
export const MAX_HEAD = FIRST_BUFFER + LARGE_BUFFERS * LARGE_BUFFER + 4096;

/** Headers that nginx takes once. */
const UNIQUE = new Set(
  [
    'authorization content-length content-range expect host if-match if-modified-since if-none-match if-range',
    'if-unmodified-since range transfer-encoding',
  ].flatMap((line) => line.split(' ')),
);

const BAD_REQUEST: Refusal = { status: 400, message: 'Bad request' };
const URI_TOO_LONG: Refusal = { status: 414, message: 'URI too long' };
const HEADER_TOO_LARGE: Refusal = { status: 400, message: 'Request header or cookie too large' };

/** A request's head as Node has parsed it. */
export interface Head {
  readonly method: string;
  readonly target: string;
  /** `1.0` or `1.1` */
  readonly version: string;
  readonly headers: Headers;
}

/** A refused head. nginx stops at what it refuses, and its error page knows of no header behind that. */
export interface RefusedHead extends Refusal {
  readonly known: Headers;
}

/** What nginx refuses in a head, in the order in which it reads; undefined when Kong gets to see it. */
export function refuseHead({ method, target, version, headers }: Head): RefusedHead | undefined {
  const buffers = new Buffers();
  if (!buffers.take(`${method} ${target} HTTP/1.1\r\n`)) return { ...URI_TOO_LONG, known: [] };
  if (!isTarget(target)) return { ...BAD_REQUEST, known: [] };
  const seen = new Set<string>();
  for (const [i, [name, value]] of headers.entries()) {
    const known = headers.slice(0, i);
    if (!buffers.take(`${name}: ${value}\r\n`)) return { ...HEADER_TOO_LARGE, known };
    const lower = name.toLowerCase();
    if (UNIQUE.has(lower) && seen.has(lower)) return { ...BAD_REQUEST, known };
    if (lower === 'host' && hostName(value) === undefined) return { ...BAD_REQUEST, known };
    seen.add(lower);
  }
  if (!buffers.take('\r\n')) return { ...HEADER_TOO_LARGE, known: headers };
  const known = headers;
  if (version === '1.1' && !seen.has('host')) return { ...BAD_REQUEST, known };
  const [encoding] = values(headers, 'transfer-encoding');
  if (encoding !== undefined) {
    if (version === '1.0' || seen.has('content-length')) return { ...BAD_REQUEST, known };
    if (encoding.toLowerCase() !== 'chunked') return { status: 501, message: '', known };
  }
  if (method === 'TRACE' || method === 'CONNECT') return { status: 405, message: 'Method not allowed', known };
  return undefined;
}

/** The buffers that nginx reads a head into: a line must lie whole in one of them. */
class Buffers {
  #room = FIRST_BUFFER;
  #left = LARGE_BUFFERS;

  take({ length }: string): boolean {
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
  if (target === '*') return false;
  const [, authority, path = ''] = /^(?:[a-z][a-z\d+.-]*:\/\/([^/?#]*))?([^?#]*)/is.exec(target) ?? [];
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

/** What Node says of bytes that are no request for it. */
export interface ParseError extends NodeJS.ErrnoException {
  /** The chunk that it was reading. */
  readonly rawPacket?: Buffer;
  /** How far it came in that chunk. */
  readonly bytesParsed?: number;
  readonly reason?: string;
}

/** What nginx answers to bytes that are no request for Node. */
export async function refuseBytes(error: ParseError): Promise<RefusedHead> {
  const { rawPacket = Buffer.alloc(0), bytesParsed = 0, code, reason = '' } = error;
  const text = rawPacket.toString('latin1');
  if (code === 'HPE_HEADER_OVERFLOW') {
    const line = text.indexOf('\r\n');
    return { ...(line < 0 || line + 2 > LARGE_BUFFER ? URI_TOO_LONG : HEADER_TOO_LARGE), known: [] };
  }
  // Lines before the one that Node stopped at, and those behind it where nginx looks only when it has read them all.
  const stop = text.lastIndexOf('\r\n', bytesParsed - 3) + 2;
  const end = text.indexOf('\r\n\r\n', stop);
  const next = text.indexOf('\r\n', bytesParsed - 2) + 2;
  const whole = /^HPE_INVALID_(CONTENT_LENGTH|TRANSFER_ENCODING)$/.test(code ?? '') && next > 1 && end >= next - 2;
  const before = text.slice(0, stop < 2 ? 0 : stop);
  const known = before && (await headersOf(`${before}${whole ? text.slice(next, end + 2) : ''}\r\n`));
  if (reason === 'Request has invalid `Transfer-Encoding`') return { status: 501, message: '', known: known || [] };
  return { ...BAD_REQUEST, known: known || [] };
}

/** The headers of a head without its faulty line, as Node's own parser reads them; none when it still cannot. */
function headersOf(head: string): Promise<Headers> {
  return new Promise((resolve) => {
    const reader = createServer({ requireHostHeader: false });
    reader.on('request', ({ rawHeaders }) => resolve(pairs(rawHeaders)));
    reader.on('clientError', () => resolve([]));
    const source = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
    reader.emit('connection', source);
    source.push(head, 'latin1');
    setImmediate(() => {
      resolve([]);
      source.destroy();
    });
  });
}
