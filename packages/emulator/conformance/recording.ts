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
  kong_env: z.record(z.string(), z.unknown()).nullish(),
  /** Epoch s of sending. */
  t: z.number(),
  client_conn: z.int(),
  omitted_counted: z.int().nullish(),
  before: z.string().nullish(),
  kong_closed_conn: z.boolean().nullish(),
  request: z.object({
    line: z.string(),
    headers: z.array(header),
    body: z
      .string()
      .nullish()
      .transform((body) => body ?? ''),
    body_len: z
      .int()
      .nullish()
      .transform((length) => length ?? 0),
  }),
  /** null when the connection died first. */
  response: response.nullish().transform((answer) => answer ?? null),
  upstream: z.array(attempt).nullish(),
});

/** One recorded request with what came of it. */
export type Case = z.output<typeof exchange>;

/** One line of a recording, and where it stands: a case, or why it is none. */
export type Line = { readonly file: string; readonly number: number; readonly case: string } & (
  | { readonly content: Case }
  | { readonly reason: string }
);

/**
 * Reads every recording (`*.jsonl`, a JSON object a line) of a folder.
 *
 * @throws {RecordingError} for a folder without recordings
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
      .flatMap((text, i) => (text.trim() ? [{ file, number: i + 1, ...parse(text) }] : [])),
  );
  if (lines.length === 0) throw new RecordingError(`${folder} has no recordings: no line in any *.jsonl.`);
  return lines;
}

/** Reads one line. What cannot be read costs that line alone. */
function parse(text: string): { case: string } & ({ content: Case } | { reason: string }) {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    return { case: 'a line', reason: 'it is not JSON' };
  }
  const other = z.object({ case: z.string(), request: z.unknown().optional() }).safeParse(content);
  if (!other.success) return { case: 'a line', reason: 'it has no "case"' };
  const { case: name, request } = other.data;
  // Bursts, pipelined requests, HTTP/2, notes.
  if (!request) return { case: name, reason: 'it is no single HTTP/1 request with its answer' };
  const parsed = exchange.safeParse(content);
  if (parsed.success) return { case: name, content: parsed.data };
  const [issue] = parsed.error.issues;
  return { case: name, reason: `it is no recorded request: ${issue?.path.join('.')}: ${issue?.message}` };
}
