// A request's head as nginx 1.25 reads it (ngx_http_parse.c, ngx_http_request.c), and what it refuses before Kong sees it.
import { type Headers, values } from './headers.js';
import type { Reader } from './reader.js';

/** nginx's buffers for a head: a first one, and four large ones once that is full. A line lies whole in one; bytes. */
const FIRST_BUFFER = 1024;
const LARGE_BUFFER = 8192;
const LARGE_BUFFERS = 4;
const MOST_HEADERS = 1000;

/** Headers that nginx refuses when they come twice (ngx_http_headers_in). */
const ONCE =
  /^(host|authorization|expect|transfer-encoding|content-(length|range)|if-(match|none-match|range|(un)?modified-since))$/i;

/** Method, the host of a target that is a whole URL, path with query, version as far as nginx reads it. */
const REQUEST_LINE =
  /^([A-Z_-]+) +(?:[A-Za-z][A-Za-z\d+.-]*:\/\/([A-Za-z\d.-]+|\[[\da-fA-F:.]+\])(?::\d*)?)?(\/[^\0-\x20\x7f]*)? +HTTP\/(1\.\d{1,3}(?= *\r?$)|[2-9]|1\d)/;

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
  constructor(
    readonly status = 400,
    message = 'Bad request',
  ) {
    super(message);
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
  do line = await reader.line(LARGE_BUFFER);
  while (line === '' || line === '\r');
  if (line === undefined) return undefined;
  const [, method = '', named, target = named && '/', version = ''] = REQUEST_LINE.exec(line ?? '') ?? [];
  const headers: Headers = [];
  const begun = { method, ...split(target ?? ''), version, headers };
  try {
    if (line === null) throw new Refused(414, 'URI too long');
    if (version === '' || target === undefined) throw new Refused();
    if (!version.startsWith('1.')) throw new Refused(505, '');
    if (named !== undefined) checkHost(named);
    if (leadsNowhere(begun.path)) throw new Refused();
    if (!(await readHeaders(reader, line, headers))) return undefined;
    return { ...begun, ...message(begun, named) };
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return { ...begun, host: '', framing: 0, keepAlive: false, refusal: error };
  }
}

/**
 * Reads headers up to the empty line.
 *
 * @param first the line before them
 * @returns false when the connection ended before
 * @throws {Refused} for those that nginx refuses as it reads
 */
async function readHeaders(reader: Reader, first: string, headers: Headers): Promise<boolean> {
  let room = FIRST_BUFFER;
  let buffers = LARGE_BUFFERS;
  const fits = ({ length }: string) => {
    room -= length + 1;
    if (room >= 0) return true;
    room = LARGE_BUFFER - length - 1;
    return buffers-- > 0;
  };
  fits(first);
  for (;;) {
    const raw = await reader.line(LARGE_BUFFER);
    if (raw === undefined) return false;
    if (raw === null || !fits(raw) || headers.length > MOST_HEADERS) {
      throw new Refused(400, 'Request header or cookie too large');
    }
    if (/^\r?$/.test(raw)) return true;
    const line = raw.replace(/\r+$/, '');
    // Without a colon it is a header without a value.
    const [, name = '', all = ''] = /^([^\0-\x20\x7f:]+)(?::(.*))?$/s.exec(line) ?? [];
    if (name === '' || /[\0\r]/.test(line)) throw new Refused();
    if (!/^[\w-]+$/.test(name)) continue;
    // Spaces around a value go, tabs stay.
    const value = all.replace(/^ +| +$/g, '');
    headers.push([name, value]);
    if (ONCE.test(name) && values(headers, name).length > 1) throw new Refused();
    if (name.toLowerCase() === 'host') checkHost(value);
  }
}

/** Kong takes the path up to `?`, and nginx's query, which ends at `#` and never begins behind it. */
function split(target: string): Pick<Head, 'path' | 'query'> {
  const [, query] = /^[^#?]*\?([^#]*)/.exec(target) ?? [];
  return { path: target.replace(/\?.*$/s, ''), query: query === '' && !target.endsWith('?') ? undefined : query };
}

/** Whether nginx cannot follow a path: it has an escape that is none or a NUL, or goes up further than it went down. */
function leadsNowhere(path: string): boolean {
  const [seen = ''] = path.split('#');
  if (/%(?![\da-f]{2})|%00/i.test(seen)) return true;
  let depth = 0;
  const plain = seen.replace(/%(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return plain.split('/').some((part) => {
    if (part !== '' && part !== '.') depth += part === '..' ? -1 : 1;
    return depth < 0;
  });
}

/** What the headers say of the message, once all are there. @throws {Refused} */
function message(
  { method, version, headers }: Pick<Head, 'method' | 'version' | 'headers'>,
  named: string | undefined,
): Pick<Head, 'host' | 'framing' | 'keepAlive'> {
  const old = version === '1.0';
  const [asked = old ? 'kong' : undefined] = values(headers, 'host');
  const [length] = values(headers, 'content-length');
  const [coding] = values(headers, 'transfer-encoding');
  if (asked === undefined || !/^\d{1,18}$/.test(length ?? '0') || (old && coding !== undefined)) throw new Refused();
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') throw new Refused(501, '');
  if (coding !== undefined && length !== undefined) throw new Refused();
  if (method === 'TRACE' || method === 'CONNECT') throw new Refused(405, '');
  // Of several, the last that says either.
  const said = values(headers, 'connection').findLast((value) => /close|keep-alive/i.test(value));
  return {
    host: hostName(named ?? asked),
    framing: coding === undefined ? Number(length ?? 0) : 'chunked',
    keepAlive: said === undefined ? !old : !/close/i.test(said),
  };
}

/** @throws {Refused} for what is no host */
function checkHost(value: string): void {
  if (/\.\.|[\0-\x20\x7f/]/.test(value) || hostName(value) === '') throw new Refused();
}

function hostName(value: string): string {
  const [host = ''] = /^\[[^\]]*\]|^[^:]*/.exec(value) ?? [];
  return host.replace(/\.$/, '').toLowerCase();
}
