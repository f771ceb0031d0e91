import { z } from 'zod/mini';
import { AuthenticationError, ProtocolError, RequestError, RouteError } from './errors.js';
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
    max_body_bytes: most,
    max_texts: most,
    max_characters: most,
    // Of less, no text could be cut into.
    max_text_characters: z.int().check(z.minimum(100)),
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
// What the client goes by, so that no body can say it.
const OURS = new Set(['rate_limited', 'throttled']);

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
    throw new ProtocolError(`${reply.url} answered ${answer.results.length} results to ${count} texts`);
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

function read<T>(reply: Reply, schema: z.ZodMiniType<T>, apiKey: string): T {
  if (reply.status < 200 || reply.status > 299) throw failure(reply, apiKey);
  const body = parse(reply.body);
  if (body === undefined) {
    throw new ProtocolError(`${reply.url} answered ${reply.status} with ${describe(reply, apiKey)}, not with JSON`);
  }
  const answer = schema.safeParse(body);
  if (answer.success) return answer.data;
  const issue = answer.error.issues[0];
  const where = issue?.path.join('.') || 'the body';
  throw new ProtocolError(`${reply.url} answered JSON of another shape: ${where}: ${issue?.message}`);
}

function failure(reply: Reply, apiKey: string): Error {
  const { status, url } = reply;
  const info = { status, requestId: reply.requestId };
  const said = Failure.safeParse(parse(reply.body)).data ?? { message: undefined };
  const words = 'error' in said ? said.error : said.message;
  const sentence = words === undefined ? describe(reply, apiKey) : quoted(words, apiKey);
  if (status === 401) {
    return new AuthenticationError(`${url} does not know this API key (401: ${sentence}); check NER_API_KEY`, info);
  }
  if (status === 403) return new AuthenticationError(`${url} refused this caller (403: ${sentence})`, info);
  if (status === 404) {
    return new RouteError(`url must include the route, e.g. /nlp/ner: ${url} answered 404 (${sentence})`, info);
  }
  const code =
    limitedBy(reply) ?? ('code' in said && !OURS.has(said.code) ? quoted(said.code, apiKey) : `http_${status}`);
  const asked = retryAfterMs(reply);
  const wait = asked === undefined ? '' : `, and asks to wait ${Math.ceil(asked / 1000)} s`;
  return new RequestError(code, `${url} answered ${status} (${sentence})${wait}`, { ...info, retryAfterMs: asked });
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
