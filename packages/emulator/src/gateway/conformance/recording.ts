import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

/** A folder of recordings that cannot be read. The message is one sentence for the user. */
export class RecordingError extends Error {
  override readonly name = 'RecordingError';
}

const header = z.tuple([z.string(), z.string()]);

const attempt = z.object({
  http: z.string(),
  method: z.string(),
  path: z.string(),
  headers: z.array(header),
  body_len: z.int().optional(),
  body: z.string().optional(),
});

/** A request as the upstream saw it. */
export type Attempt = z.output<typeof attempt>;

const response = z.object({
  http: z.string(),
  status: z.int(),
  reason: z.string(),
  headers: z.array(header),
  body: z.string(),
  body_encoding: z.string().nullish(),
  framing: z.string(),
  interim: z.array(z.object({ status: z.int() })).nullish(),
});

/** An answer as it was recorded. */
export type RecordedAnswer = z.output<typeof response>;

const exchange = z.object({
  case: z.string(),
  config: z.string().regex(/^[\w.-]+$/),
  boot: z.int(),
  kong_env: z.record(z.string(), z.string()).nullish(),
  /** Epoch s of sending. */
  t: z.number(),
  client_conn: z.int(),
  omitted_counted: z.int().nullish(),
  before: z.string().nullish(),
  kong_closed_conn: z.boolean().nullish(),
  request: z.object({
    line: z.string(),
    headers: z.array(header),
    body: z.string().default(''),
    body_len: z.int().default(0),
  }),
  /** null when the connection died first. */
  response: response.nullable(),
  upstream: z.array(attempt).nullish(),
});

/** One recorded request with what came of it. */
export type Case = z.output<typeof exchange>;

/** What else a recording has: bursts, pipelined requests, HTTP/2, notes. */
export interface Other {
  readonly case: string;
}

/** One line of a recording, and where it stands. */
export interface Line {
  readonly file: string;
  readonly number: number;
  readonly content: Case | Other;
}

/** Whether a line is one request over HTTP/1 with its answer. */
export function isCase(content: Case | Other): content is Case {
  return 'request' in content;
}

/**
 * Reads every recording (`*.jsonl`, a JSON object a line) of a folder.
 *
 * @throws {RecordingError} for a folder without recordings and for a line that is none
 */
export function readRecordings(folder: string): Line[] {
  let names: string[];
  try {
    names = readdirSync(folder).filter((name) => name.endsWith('.jsonl'));
  } catch {
    throw new RecordingError(`${folder} is no folder that can be read; give one with recordings (*.jsonl, configs/).`);
  }
  const lines = names.sort().flatMap((file) =>
    readFileSync(join(folder, file), 'utf8')
      .split('\n')
      .flatMap((text, i) => (text.trim() ? [{ file, number: i + 1, content: parse(text, `${file}:${i + 1}`) }] : [])),
  );
  if (lines.length === 0) throw new RecordingError(`${folder} has no recordings: no line in any *.jsonl.`);
  return lines;
}

function parse(text: string, where: string): Case | Other {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    throw new RecordingError(`${where} is not JSON; correct or remove that line.`);
  }
  const other = z.object({ case: z.string() }).safeParse(content);
  if (!other.success) throw new RecordingError(`${where} is no recorded case: it has no "case".`);
  if (!('request' in (content as object))) return other.data;
  const parsed = exchange.safeParse(content);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new RecordingError(
    `${where} (${other.data.case}) is no recorded request: ${issue?.path.join('.')}: ${issue?.message}.`,
  );
}
