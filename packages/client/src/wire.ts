import * as z from 'zod/mini';
import {
  AuthenticationError,
  adviceOn,
  type NerError,
  ProtocolError,
  printable,
  RequestError,
  RouteError,
  SERVICE_CODES,
  type ServiceCode,
} from './errors.js';
import { parseJson } from './json.js';
import { refusedByGateway, retryAfterMs } from './rate-headers.js';
import type { Reply } from './transport.js';

// The contract of POST /nlp/ner and of GET /nlp/ner/model, from the caller's side. Fields are only ever added, so unknown
// ones are dropped here.

// Public types stand for themselves, so that the package's declarations name no other package.

/** The model that answered. */
export interface Model {
  name: string;
  version: string;
  /** Of two models with one digest, one is the other's copy. */
  digest: string;
}

/** What one request may hold. */
export interface Limits {
  /** Bytes. */
  max_body_bytes: number;
  max_texts: number;
  /** Code points of all its texts. */
  max_characters: number;
  /** Code points of one text. */
  max_text_characters: number;
}

/** What the service says of itself. */
export interface Description {
  model: Model;
  /** Which labels the model gives. */
  labels: string[];
  limits: Limits;
}

/** Of less, no text could be cut into. */
export const LEAST_BODY_BYTES = 1000;
const LEAST_TEXT = 100;

const offset = z.int().check(z.nonnegative());
const most = z.int().check(z.positive());
const ModelSchema: z.ZodMiniType<Model> = z.object({ name: z.string(), version: z.string(), digest: z.string() });
/** An entity as spaCy counts: offsets in code points. */
export type WireEntity = z.infer<typeof EntitySchema>;
const EntitySchema = z.object({ text: z.string(), label: z.string(), start_char: offset, end_char: offset });
/** What the service said of one text. */
export type Result = z.infer<typeof ResultSchema>;
const ResultSchema = z.union([
  z.object({ entities: z.array(EntitySchema) }),
  z.object({ error: z.string(), code: z.string() }),
]);
export type Answer = z.infer<typeof AnswerSchema>;
const AnswerSchema = z.object({ results: z.array(ResultSchema), model: ModelSchema });
const DescriptionSchema: z.ZodMiniType<Description> = z.object({
  model: ModelSchema,
  labels: z.array(z.string()),
  limits: z.object({
    max_body_bytes: z.int().check(z.minimum(LEAST_BODY_BYTES)),
    max_texts: most,
    max_characters: most,
    max_text_characters: z.int().check(z.minimum(LEAST_TEXT)),
  }),
});

// The service's errors and Kong's. A body of any other shape is not quoted: it may echo the request.
const Failure = z.union([z.object({ error: z.string(), code: z.string() }), z.object({ message: z.string() })]);

/** The limits of a service that does not tell its own. */
export const DEFAULT_LIMITS: Readonly<Limits> = {
  max_body_bytes: 1_048_576,
  max_texts: 1024,
  max_characters: 250_000,
  max_text_characters: 40_000,
};

const MAX_QUOTED = 200;

/**
 * Reads the answer to a request of `count` texts.
 *
 * @param apiKey what no message may hold, should the answer echo it
 * @throws {NerError} by status; a ProtocolError for a 2xx that does not hold to the contract
 */
export function readAnswer(reply: Reply, count: number, apiKey: string): Answer {
  const answer = read(reply, AnswerSchema, apiKey);
  if (answer.results.length !== count) {
    throw protocol(reply, `answered ${answer.results.length} results to ${count} texts`);
  }
  const results = answer.results.map((result) =>
    'error' in result ? { error: quoted(result.error, apiKey), code: quoted(result.code, apiKey) } : result,
  );
  return { results, model: answer.model };
}

/** Reads the answer of `/model`. Throws as `readAnswer` does. */
export function readDescription(reply: Reply, apiKey: string): Description {
  return read(reply, DescriptionSchema, apiKey);
}

/** The answer's `server-timing` in ms, by name. */
export function timings(reply: Reply): Record<string, number> {
  const known: Record<string, number> = {};
  for (const metric of (reply.header('server-timing') ?? '').split(',')) {
    const [name = '', ...params] = metric.split(';').map((it) => it.trim());
    const ms = Number(params.find((param) => param.startsWith('dur='))?.slice(4));
    if (Number.isFinite(ms)) known[name] = ms;
  }
  return known;
}

/** The contract's code of that name, if it has one. */
export function serviceCode(code: string): ServiceCode | undefined {
  return SERVICE_CODES.find((known) => known === code);
}

function read<T>(reply: Reply, schema: z.ZodMiniType<T>, apiKey: string): T {
  if (reply.status < 200 || reply.status > 299) throw failure(reply, apiKey);
  const body = parseJson(reply.body);
  if (body === undefined) {
    const encoding = reply.header('content-encoding');
    if (encoding !== undefined) {
      throw protocol(reply, `sent its answer as ${quoted(encoding, apiKey)}, which nobody asked for: what changes it?`);
    }
    const what = describe(reply, apiKey);
    throw protocol(reply, `answered ${reply.status} with ${what}, not with JSON: is that the service, or a proxy?`);
  }
  const answer = schema.safeParse(body);
  if (answer.success) return answer.data;
  const issue = answer.error.issues[0];
  const where = issue?.path.join('.') || 'the body';
  throw protocol(reply, `answered JSON of another shape: ${where}: ${issue?.code.replaceAll('_', ' ')}`);
}

function protocol({ url, status, requestId }: Reply, what: string): ProtocolError {
  return new ProtocolError(`${url} ${what}`, { status, requestId });
}

function failure(reply: Reply, apiKey: string): NerError {
  const { status, url, requestId } = reply;
  const said = Failure.safeParse(parseJson(reply.body)).data ?? { message: undefined };
  const words = 'error' in said ? said.error : said.message;
  const sentence = words === undefined ? describe(reply, apiKey) : quoted(words, apiKey);
  const info = { status, requestId, retryAfterMs: retryAfterMs(reply) };
  const advice = adviceOn(status);
  if (status === 401 || status === 403) {
    const what = status === 401 ? 'does not know this API key' : 'refused this caller';
    return new AuthenticationError('unauthorized', `${url} ${what} (${status}: ${sentence})${advice}`, info);
  }
  if (status === 404) {
    const message = `url must include the route, e.g. /nlp/ner: ${url} answered 404 (${sentence})`;
    return new RouteError('no_route', message, info);
  }
  const location = reply.header('location');
  if (status >= 300 && status <= 399 && location !== undefined && URL.canParse(location, url)) {
    const { origin, pathname } = new URL(location, url); // a query may hold a secret
    const there = quoted(origin + pathname, apiKey);
    const message = `${url} answered ${status} (${sentence}) and names ${there}: set url to that`;
    return new RouteError('moved', message, info);
  }
  const wait = info.retryAfterMs === undefined ? '' : `, and asks to wait ${Math.ceil(info.retryAfterMs / 1000)} s`;
  const told = 'code' in said ? serviceCode(said.code) : undefined;
  const code = refusedByGateway(reply) ? 'rate_limited' : status === 429 ? 'throttled' : (told ?? `http_${status}`);
  return new RequestError(code, `${url} answered ${status} (${sentence})${wait}${advice}`, info);
}

function describe(reply: Reply, apiKey: string): string {
  const type = reply.header('content-type')?.split(';')[0];
  return `a body of ${type ? quoted(type, apiKey) : 'no content type'}, ${reply.body.length} characters`;
}

/** What a server says of itself, fit for a message. */
function quoted(words: string, apiKey: string): string {
  if (words.includes(apiKey)) return '[words that hold the API key]';
  return printable(words.length > MAX_QUOTED ? `${words.slice(0, MAX_QUOTED)}…` : words);
}
