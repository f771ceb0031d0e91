import * as z from 'zod/mini';
import {
  AuthenticationError,
  type NerError,
  ProtocolError,
  RequestError,
  RouteError,
  SERVICE_CODES,
  type ServiceCode,
} from './errors.js';
import { printable } from './printable.js';
import { refusedByGateway, retryAfterMs } from './rate-headers.js';
import type { Reply } from './transport.js';

// The contract of POST /nlp/ner and of GET /nlp/ner/model, from the caller's side. Fields are only ever added, so unknown
// ones are dropped here.

// The types stand for themselves, so that the package's declarations name no other package.

/** An entity as spaCy counts: offsets in code points. */
export interface WireEntity {
  text: string;
  label: string;
  start_char: number;
  end_char: number;
}

/** The model that answered. */
export interface Model {
  name: string;
  version: string;
  /** Of two models with one digest, one is the other's copy. */
  digest: string;
}

/** What the service said of one text. */
export type Result = { entities: WireEntity[] } | { error: string; code: string };

export interface Answer {
  results: Result[];
  model: Model;
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
const ResultSchema: z.ZodMiniType<Result> = z.union([
  z.object({
    entities: z.array(z.object({ text: z.string(), label: z.string(), start_char: offset, end_char: offset })),
  }),
  z.object({ error: z.string(), code: z.string() }),
]);
const AnswerSchema: z.ZodMiniType<Answer> = z.object({ results: z.array(ResultSchema), model: ModelSchema });
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

// What to do about an answer that is the caller's to mend.
const ADVICE: Record<number, string> = {
  403: 'burst-ner doctor tells who refused',
  405: 'is url the whole address, with http:// or https:// as the gateway has it?',
  407: 'the proxy wants a password: give it to the ProxyAgent that is the dispatcher',
  411: 'something on the way here wants another kind of request: ask who runs it',
  415: 'something on the way here takes no JSON: ask who runs it',
  426: 'try https:// in url',
  511: 'this network wants a login first',
};

/** The body of a request, from texts that are JSON strings already. */
export function requestBody(texts: string[]): string {
  return `{"texts":[${texts.join(',')}]}`;
}

/**
 * Reads the answer to a request of `count` texts.
 *
 * @param apiKey what no message may hold, should the answer echo it
 * @throws {AuthenticationError | RouteError | RequestError} by status
 * @throws {ProtocolError} for a 2xx that does not hold to the contract
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
  const said = (reply.header('server-timing') ?? '')
    .split(',')
    .map((metric) => metric.split(';').map((it) => it.trim()));
  const known = said.flatMap(([name = '', ...params]) => {
    const ms = Number(params.find((param) => param.startsWith('dur='))?.slice(4));
    return Number.isFinite(ms) ? [[name, ms] as const] : [];
  });
  return Object.fromEntries(known);
}

/** The contract's code of that name, if it has one. */
export function serviceCode(code: string): ServiceCode | undefined {
  return SERVICE_CODES.find((known) => known === code);
}

function read<T>(reply: Reply, schema: z.ZodMiniType<T>, apiKey: string): T {
  if (reply.status < 200 || reply.status > 299) throw failure(reply, apiKey);
  const encoding = reply.header('content-encoding') ?? 'identity';
  if (encoding !== 'identity') {
    throw protocol(reply, `sent its answer as ${quoted(encoding, apiKey)}, which nobody asked for: what changes it?`);
  }
  const body = parse(reply.body);
  if (body === undefined) {
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
  const said = Failure.safeParse(parse(reply.body)).data ?? { message: undefined };
  const words = 'error' in said ? said.error : said.message;
  const sentence = words === undefined ? describe(reply, apiKey) : quoted(words, apiKey);
  const retryAfter = retryAfterMs(reply);
  const info = { status, requestId, retryAfterMs: retryAfter };
  if (status === 401) {
    const message = `${url} does not know this API key (401: ${sentence}); check NER_API_KEY`;
    return new AuthenticationError('unauthorized', message, info);
  }
  const advice = ADVICE[status] ? `; ${ADVICE[status]}` : '';
  if (status === 403) {
    return new AuthenticationError('unauthorized', `${url} refused this caller (403: ${sentence})${advice}`, info);
  }
  if (status === 404) {
    const message = `url must include the route, e.g. /nlp/ner: ${url} answered 404 (${sentence})`;
    return new RouteError('no_route', message, info);
  }
  const location = reply.header('location');
  if (status >= 300 && status <= 399 && location !== undefined) {
    const message = `${url} answered ${status} (${sentence}) and names ${address(location, url, apiKey)}: set url to that`;
    return new RouteError('moved', message, info);
  }
  const code = limitedBy(reply) ?? ('code' in said ? serviceCode(said.code) : undefined) ?? `http_${status}`;
  const wait = retryAfter === undefined ? '' : `, and asks to wait ${Math.ceil(retryAfter / 1000)} s`;
  return new RequestError(code, `${url} answered ${status} (${sentence})${wait}${advice}`, info);
}

/** Where a redirect leads, without its query: what a message may show. */
function address(location: string, from: string, apiKey: string): string {
  if (!URL.canParse(location, from)) return 'no address';
  const { origin, pathname } = new URL(location, from);
  return quoted(origin + pathname, apiKey);
}

function limitedBy(reply: Reply): 'rate_limited' | 'throttled' | undefined {
  if (refusedByGateway(reply)) return 'rate_limited';
  return reply.status === 429 ? 'throttled' : undefined;
}

/** JSON.parse without its error: that quotes the body, and the body quotes texts. */
function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
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
