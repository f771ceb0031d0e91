/** What the service itself says that went wrong: the codes of its contract. */
export const SERVICE_CODES = [
  'invalid_json',
  'invalid_text',
  'ill_formed_text',
  'invalid_request',
  'forbidden',
  'not_found',
  'method_not_allowed',
  'too_large',
  'unsupported_encoding',
  'internal',
  'model_unavailable',
  'deadline_exceeded',
  'response_too_large',
] as const;

export type ServiceCode = (typeof SERVICE_CODES)[number];

/** A short, stable name of what went wrong. `http_<status>` where an answer names nothing that the contract has. */
export type ErrorCode =
  | 'config'
  | 'unauthorized'
  | 'no_route'
  | 'moved'
  | 'unknown_host'
  | 'untrusted'
  | 'unreachable'
  | 'connection_lost'
  | 'timeout'
  | 'rate_limited'
  | 'throttled'
  | 'protocol'
  | 'unavailable'
  | 'refused'
  | ServiceCode
  | `http_${number}`;

/** What is known of the request that an error is about. */
export interface RequestInfo {
  /** HTTP status, when there was an answer. */
  status?: number | undefined;
  /** `x-request-id`, which the client sends and the answer may change: what to search the logs for. */
  requestId?: string | undefined;
  /** What the answer's Retry-After asked for, in ms from its arrival. */
  retryAfterMs?: number | undefined;
}

/**
 * The base of every error that this package makes. An abort is the exception: it rejects with `signal.reason`.
 * The message is one sentence. The API key is never in it, and this package puts no part of a text into it. It quotes the
 * sentence of an error that has Kong's or the service's shape, up to 200 characters; neither writes texts there.
 */
export class NerError extends Error implements RequestInfo {
  readonly code: ErrorCode;
  declare readonly status?: number | undefined;
  declare readonly requestId?: string | undefined;
  declare readonly retryAfterMs?: number | undefined;

  constructor(code: ErrorCode, message: string, { cause, ...info }: RequestInfo & ErrorOptions = {}) {
    super(message, cause === undefined ? {} : { cause });
    this.code = code;
    // What is not known is not there: Node shows every property of an error that nobody catches.
    for (const [name, value] of Object.entries(info)) if (value !== undefined) Object.assign(this, { [name]: value });
    this.name = new.target.name;
  }
}

/** An option is missing or wrong, or the client is closed: nothing was sent. */
export class ConfigError extends NerError {
  constructor(message: string, options: ErrorOptions = {}) {
    super('config', message, options);
  }
}

/** The gateway or the function refused the caller (401, 403). */
export class AuthenticationError extends NerError {}

/** `url` is not where the service is: 404 (`no_route`), or it has moved (`moved`: 301, 302, 303, 307, 308). */
export class RouteError extends NerError {}

/**
 * Any other status than 2xx. `code` is the service's own (e.g. `model_unavailable`), `rate_limited` for the gateway's
 * 429, `throttled` for that of Lambda, or `http_<status>` when the answer names none.
 */
export class RequestError extends NerError {}

/**
 * No answer came. `code`: `unreachable` (refused, no way to the host), `unknown_host`, `untrusted` (TLS did not verify, or
 * is not spoken there) or `connection_lost` (it broke after it stood).
 */
export class ConnectionError extends NerError {}

/** No whole answer in time: in `attemptTimeoutMs`, or in the call's own `timeoutMs`. */
export class TimeoutError extends NerError {
  constructor(message: string, info: RequestInfo = {}) {
    super('timeout', message, info);
  }
}

/** An answer that does not hold to the contract: a 2xx with a proxy's HTML page, e.g., or what is not HTTP. */
export class ProtocolError extends NerError {
  constructor(message: string, info: RequestInfo = {}) {
    super('protocol', message, info);
  }
}

/**
 * The service was away for longer than `outageMs`, or asked to wait for longer. No document was settled for that: what
 * has no outcome yet can be sent again later. `cause` is the last error.
 */
export class ServiceUnavailableError extends NerError {
  constructor(message: string, cause: NerError) {
    const { status, requestId, retryAfterMs } = cause;
    super('unavailable', message, { cause, status, requestId, retryAfterMs });
  }
}

/**
 * One document cannot be served; its neighbours can. `code`: `invalid_text` when it was not even sent, or what the service
 * said of it, e.g. `deadline_exceeded`; `refused` where that is no code of the contract.
 */
export class DocumentError extends NerError {}

/**
 * Others' words (a file name, a field, a server's sentence) for a terminal or a log: no line break, no escape sequence,
 * no invisible character.
 */
export function printable(text: string): string {
  return text.replace(/\p{C}/gu, '\uFFFD');
}

// What to do about an answer that is the caller's to mend.
const ADVICE: Record<number, string> = {
  401: 'check NER_API_KEY',
  403: 'burst-ner doctor tells who refused',
  405: 'is url the whole address, with http:// or https:// as the gateway has it?',
  407: 'the proxy wants a password: give it to the ProxyAgent that is the dispatcher',
  411: 'something on the way here wants another kind of request: ask who runs it',
  415: 'something on the way here takes no JSON: ask who runs it',
  426: 'try https:// in url',
  511: 'this network wants a login first',
};

/** What to do about a status, to be put behind a sentence; empty for most. */
export function adviceOn(status: number): string {
  return ADVICE[status] ? `; ${ADVICE[status]}` : '';
}
