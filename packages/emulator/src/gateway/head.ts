// A request's head as nginx 1.25 reads it (ngx_http_parse.c, ngx_http_request.c), and what it refuses before Kong sees it,
// as far as a client could send it.
import { type Headers, values } from './headers.js';
import type { Reader } from './reader.js';

/** One of nginx's large_client_header_buffers, in which a line lies whole, and all of them with the first one; bytes. */
const LONGEST_LINE = 8192;
const MOST_BYTES = 1024 + 4 * 8192;
const MOST_HEADERS = 1000;

/** A request's head. Text is latin1. */
export interface Head {
  readonly method: string;
  /** The path as it came, without the query. */
  readonly path: string;
  /** Without `?`; undefined when there is none. */
  readonly query: string | undefined;
  /** `1.0`, `1.1`. */
  readonly version: string;
  /** The host that the caller asks, as nginx knows it: in lower case, without its port and without a dot at the end. */
  readonly host: string;
  /** Without those whose names nginx drops (ignore_invalid_headers), and without those behind what is refused. */
  readonly headers: Headers;
  readonly framing: number | 'chunked';
  /** Whether the caller wants the connection to stay. */
  readonly keepAlive: boolean;
  /** Why nginx refuses it. The message is empty where the page is nginx's own. */
  readonly refusal?: { readonly status: number; readonly message: string };
}

class Refused extends Error {
  constructor(readonly refusal: NonNullable<Head['refusal']>) {
    super(refusal.message);
  }
}

/**
 * Reads one head.
 *
 * @returns undefined when the connection ended before
 */
export async function readHead(reader: Reader): Promise<Head | undefined> {
  let line: string | null | undefined;
  // Empty lines before a request are let go.
  do line = await reader.line(LONGEST_LINE);
  while (line === '' || line === '\r');
  if (line === undefined) return undefined;
  const [, method = '', target = '', version = ''] =
    /^([A-Z_-]+) +(\/[^\0-\x20\x7f]*) +HTTP\/([1-9]\d*\.\d{1,3}) *\r?$/.exec(line ?? '') ?? [];
  const headers: Headers = [];
  const begun = { method, ...split(target), version, headers };
  try {
    if (line === null) throw new Refused({ status: 414, message: 'URI too long' });
    if (version === '') throw new Refused({ status: 400, message: 'Bad request' });
    if (!version.startsWith('1.')) throw new Refused({ status: 505, message: '' });
    if (!(await readHeaders(reader, line.length, headers))) return undefined;
    return { ...begun, ...message(version, headers) };
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return { ...begun, host: '', framing: 0, keepAlive: false, refusal: error.refusal };
  }
}

/**
 * Reads headers up to the empty line.
 *
 * @param size bytes before them
 * @returns false when the connection ended before
 * @throws {Refused} for those that nginx refuses as it reads
 */
async function readHeaders(reader: Reader, size: number, headers: Headers): Promise<boolean> {
  for (let bytes = size; ; ) {
    const raw = await reader.line(LONGEST_LINE);
    if (raw === undefined) return false;
    bytes += raw?.length ?? 0;
    if (raw === null || bytes > MOST_BYTES || headers.length > MOST_HEADERS) {
      throw new Refused({ status: 400, message: 'Request header or cookie too large' });
    }
    const line = raw.replace(/\r$/, '');
    if (line === '') return true;
    // Without a colon it is a header without a value.
    const [, name = '', value = ''] = /^([^\0-\x20\x7f:]+)(?::(.*))?$/s.exec(line) ?? [];
    if (name === '' || /[\0\r]/.test(line)) throw new Refused({ status: 400, message: 'Bad request' });
    // Spaces around a value go, tabs stay.
    if (/^[\w-]+$/.test(name)) headers.push([name, value.replace(/^ +| +$/g, '')]);
  }
}

/** Kong takes the path up to `?`, and nginx's query, which ends at `#` and never begins behind it. */
function split(target: string): Pick<Head, 'path' | 'query'> {
  const [, query] = /^[^#?]*\?([^#]*)/.exec(target) ?? [];
  return { path: target.replace(/\?.*$/s, ''), query: query === '' && !target.endsWith('?') ? undefined : query };
}

/** What the headers say of the message, once all are there. @throws {Refused} */
function message(version: string, headers: Headers): Pick<Head, 'host' | 'framing' | 'keepAlive'> {
  const old = version === '1.0';
  const [host = old ? 'kong' : '', ...others] = values(headers, 'host').map(hostName);
  const lengths = values(headers, 'content-length');
  const codings = values(headers, 'transfer-encoding');
  const wrong = host === '' || others.length > 0 || lengths.length + codings.length > 1 || (old && codings.length > 0);
  if (wrong || lengths.some((length) => !/^\d{1,15}$/.test(length)))
    throw new Refused({ status: 400, message: 'Bad request' });
  if (codings.some((coding) => coding.toLowerCase() !== 'chunked')) throw new Refused({ status: 501, message: '' });
  const connection = values(headers, 'connection').join().toLowerCase();
  return {
    host,
    framing: codings.length > 0 ? 'chunked' : Number(lengths[0] ?? 0),
    keepAlive: old ? connection.includes('keep-alive') : !connection.includes('close'),
  };
}

function hostName(value: string): string {
  const [host = ''] = /^\[[^\]]*\]|^[^:]*/.exec(value) ?? [];
  return host.replace(/\.$/, '').toLowerCase();
}
