/** What the answer to a failed request said about itself. */
export interface AnswerInfo {
  /** HTTP status. */
  status: number;
  /** `x-request-id` of the answer, when it had one: what to search the logs for. */
  requestId: string | undefined;
}

/**
 * The base of every error that this package makes. An abort is the exception: it rejects with `signal.reason`.
 * The message is one sentence. The API key is never in it, and this package puts no part of a text into it. It quotes the
 * sentence of an error that has Kong's or the service's shape, up to 200 characters; neither writes texts there.
 */
export class NerError extends Error {
  /** A short, stable name of what went wrong, e.g. `too_large`. */
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.name = new.target.name;
  }
}

/** An option is missing or wrong: nothing was sent. */
export class ConfigError extends NerError {
  constructor(message: string) {
    super('config', message);
  }
}

/** What the errors of an answered request have in common. */
abstract class AnswerError extends NerError implements AnswerInfo {
  readonly status: number;
  readonly requestId: string | undefined;

  constructor(code: string, message: string, { status, requestId }: AnswerInfo) {
    super(code, message);
    this.status = status;
    this.requestId = requestId;
  }
}

/** The gateway or the function refused the caller (401, 403). Never retried. */
export class AuthenticationError extends AnswerError {
  constructor(message: string, info: AnswerInfo) {
    super('unauthorized', message, info);
  }
}

/** Nothing serves the url (404). Never retried. */
export class RouteError extends AnswerError {
  constructor(message: string, info: AnswerInfo) {
    super('no_route', message, info);
  }
}

/**
 * Any other status than 2xx. `code` is the service's own (e.g. `model_unavailable`), `rate_limited` for the gateway's
 * 429, `throttled` for that of Lambda, or `http_<status>` when the answer names none.
 */
export class RequestError extends AnswerError {
  /** What the answer's Retry-After asked for, in ms from its arrival. */
  readonly retryAfterMs: number | undefined;

  constructor(code: string, message: string, info: AnswerInfo & { retryAfterMs: number | undefined }) {
    super(code, message, info);
    this.retryAfterMs = info.retryAfterMs;
  }
}

/**
 * No answer came. `code`: `unreachable` (refused, no route to the host), `unknown_host`, `untrusted` (TLS did not verify,
 * or is not spoken there) or `connection_lost` (it broke after it stood).
 */
export class ConnectionError extends NerError {
  declare readonly code: 'unreachable' | 'unknown_host' | 'untrusted' | 'connection_lost';
}

/** An attempt got no whole answer in time. */
export class TimeoutError extends NerError {
  constructor(message: string) {
    super('timeout', message);
  }
}

/** An answer with status 2xx that does not hold to the contract, e.g. a proxy's HTML page. Never retried. */
export class ProtocolError extends NerError {
  constructor(message: string) {
    super('protocol', message);
  }
}

/**
 * One document cannot be served; its neighbours can. `code`: `ill_formed_text` or `invalid_text` when it was not even
 * sent, or what the service said of it, e.g. `deadline_exceeded`.
 */
export class DocumentError extends NerError {}

/** True for an error that the next document would meet just the same: wrong key, wrong url, nobody there. */
export function concernsEveryDocument(error: unknown): boolean {
  if (error instanceof ConnectionError) return error.code !== 'connection_lost';
  return (
    !(error instanceof NerError) ||
    error instanceof ConfigError ||
    error instanceof AuthenticationError ||
    error instanceof RouteError
  );
}
