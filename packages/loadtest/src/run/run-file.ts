import {
  closeSync,
  createReadStream,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  statSync,
  writeSync,
} from 'node:fs';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { InputError, unwritable } from '../input-error.js';
import { SAMPLE, type Sample } from './sample.js';
import { Samples } from './samples.js';

const ms = z.number().nullable();
const word = z.string().nullable();

/** The first line: what was asked for. Never a key, a text, a query or credentials of the URL. */
const RunLine = z.object({
  type: z.literal('run'),
  format: z.literal(1),
  /** ISO 8601. */
  startedAt: z.string(),
  /** Origin and path. */
  target: z.string(),
  /** Gated bursts, an open model (`rate`), or a closed loop (`sustained`). */
  mode: z.enum(['bursts', 'rate', 'sustained']),
  /** Requests a burst; connections of a closed loop; null for an open model. */
  n: z.number().nullable(),
  bursts: z.number(),
  /** From one release to the next; null for a single burst and without bursts. */
  everyMs: ms,
  /** Requests a second of an open model; null where it has stages. */
  rate: z.number().nullable(),
  /** Of an open model whose rate changes: one after another. */
  stages: z
    .array(z.object({ from: z.number(), to: z.number(), durationMs: z.number() }))
    .nullable()
    .default(null),
  /** Of an open model and a closed loop. */
  durationMs: ms,
  /** How environments were made cold before each burst. */
  cold: z.enum(['none', 'idle', 'restart', 'config-bump']),
  /** What its requests carried: how many code points in all, and a digest to tell it from others. */
  text: z.object({
    characters: z.number(),
    sha256: z.string(),
    /** Different requests, and documents in them; they come again when all were sent. */
    requests: z.number().default(1),
    documents: z.number().default(1),
  }),
  /** What the user says of the target: `memory` (MB), `arch`, or any name. */
  labels: z
    .record(z.string(), z.string())
    .refine(({ memory = '1', arch = 'arm64' }) => /^[1-9]\d{0,5}$/.test(memory) && /^(arm64|x86_64)$/.test(arch))
    .default({}),
  /** Of this package, that measured it. */
  version: word.default(null),
  timeoutMs: z.number(),
  /** Two runs whose bursts alternated have the same id. */
  pair: z.object({ id: z.string(), side: z.enum(['a', 'b']) }).nullable(),
});
export type RunInfo = Omit<z.infer<typeof RunLine>, 'type' | 'format'>;
/** What is sent when. */
export type Asked = Pick<RunInfo, 'mode' | 'n' | 'bursts' | 'everyMs' | 'rate' | 'stages' | 'durationMs'>;

/** A line after each burst. */
const BurstLine = z.object({
  type: z.literal('burst'),
  burst: z.number(),
  /** When its requests were released, ISO 8601. */
  releasedAt: z.string(),
  /** From the first request's first byte to the last request's, ms. */
  spreadMs: z.number(),
});
export type BurstInfo = Omit<z.infer<typeof BurstLine>, 'type'>;

/** No answer ends before its request was sent. */
const SampleLine = SAMPLE.extend({ type: z.literal('sample') }).refine(
  ({ sentMs, lastByteMs }) => lastByteMs === null || lastByteMs >= sentMs,
);

/** The last line: the run ended by itself, or by Ctrl-C. */
const EndLine = z.object({ type: z.literal('end'), reason: z.enum(['complete', 'interrupted']) });

const Line = z.discriminatedUnion('type', [RunLine, BurstLine, SampleLine, EndLine]);

/** A run, as it was measured or read back. */
export interface Run {
  info: RunInfo;
  samples: Samples;
  /** Empty without bursts. */
  bursts: BurstInfo[];
  /** Null when the run was killed before it could say. */
  end: 'complete' | 'interrupted' | null;
}

/**
 * Keeps a run as it is measured: in memory, and in its file when it has one, line by line, each at once, so that what was
 * measured is on disk whatever happens next.
 */
export class Recorder {
  readonly run: Run;
  readonly #fd: number | undefined;
  readonly #file: string | undefined;

  /**
   * The file's first line is written at once: a second run finds that it is taken.
   *
   * @throws {InputError} when the file cannot be written, or holds something
   */
  constructor(info: RunInfo, file?: string) {
    this.run = { info, samples: new Samples(), bursts: [], end: null };
    this.#file = file;
    if (file === undefined) return;
    try {
      const found = statSync(file, { throwIfNoEntry: false });
      if (found?.isFile() && found.size > 0) throw taken(file);
      // Of two runs that start at once one makes the file; a device, and an empty file, are there already.
      this.#fd = openSync(file, found ? 'w' : 'wx');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw taken(file);
      throw error instanceof InputError ? error : unwritable(file, error);
    }
    this.#write({ type: 'run', format: 1, ...info });
  }

  /** @throws {InputError} when the file can no longer be written; what came before is kept in memory all the same */
  samples(samples: readonly Sample[]): void {
    for (const sample of samples) this.run.samples.push(sample);
    this.#write(...samples.map((sample) => ({ type: 'sample', ...sample })));
  }

  /** @throws {InputError} as above */
  burst(burst: BurstInfo): void {
    this.run.bursts.push(burst);
    this.#write({ type: 'burst', ...burst });
  }

  /**
   * From now on the file outlives a power cut, too. One that measured nothing leaves an empty file, which the next may have.
   *
   * @throws {InputError} as above
   */
  end(reason: 'complete' | 'interrupted'): void {
    this.run.end = reason;
    const measured = this.run.samples.length > 0;
    if (measured) this.#write({ type: 'end', reason });
    this.#use((fd) => {
      const isPlain = fstatSync(fd).isFile();
      if (isPlain && !measured) ftruncateSync(fd);
      if (isPlain) fsyncSync(fd);
      closeSync(fd);
    });
  }

  #write(...lines: object[]): void {
    const bytes = Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    this.#use((fd) => {
      for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
    });
  }

  #use(action: (fd: number) => void): void {
    if (this.#fd === undefined) return;
    try {
      action(this.#fd);
    } catch (error) {
      throw unwritable(this.#file ?? '', error);
    }
  }
}

function taken(file: string): InputError {
  return new InputError(`${file} holds something already; give another name, or delete it.`);
}

/**
 * Reads a run back.
 *
 * @param onSample sees each sample whole, in the order of the file, and may fill in what a log says of it
 * @throws {InputError} for a file that cannot be read, is no run, or is cut in the middle of a line
 */
export async function readRun(file: string, onSample?: (sample: Sample) => void): Promise<Run> {
  const run: Run = { info: undefined as never, samples: new Samples(), bursts: [], end: null };
  let number = 0;
  try {
    for await (const text of createInterface({ input: createReadStream(file), crlfDelay: Number.POSITIVE_INFINITY })) {
      number++;
      // A last blank line is an editor's.
      if (text === '' && number > 1) continue;
      // A mark of the byte order is an editor's, too.
      const line = parse(number === 1 ? text.replace(/^\uFEFF/, '') : text);
      const inPlace = (number === 1) === (line?.type === 'run') && run.end === null;
      if (!line || !inPlace) throw unreadable(file, number, text);
      if (line.type === 'run') run.info = checked(file, line);
      else if (line.type === 'burst') run.bursts.push(line);
      else if (line.type === 'end') run.end = line.reason;
      else {
        const { requests, characters } = run.info.text;
        if (requests === 1) line.characters ??= characters;
        onSample?.(line);
        run.samples.push(line);
      }
    }
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError(`Cannot read ${file} (${(error as NodeJS.ErrnoException).code}); give the file of a run.`);
  }
  if (number === 0) throw new InputError(`${file} is empty; give a file that \`burst-ner-load run --out\` wrote.`);
  return run;
}

function checked(file: string, info: RunInfo): RunInfo {
  if (URL.canParse(info.target)) return info;
  throw new InputError(`${file}, line 1: its target is no URL; give a file that \`burst-ner-load run --out\` wrote.`);
}

function parse(text: string): z.infer<typeof Line> | undefined {
  try {
    return Line.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

function unreadable(file: string, number: number, text: string): InputError {
  if (number === 1) {
    return new InputError(
      `${file} does not start as a run does; give a file that this version's \`burst-ner-load run --out\` wrote.`,
    );
  }
  const quoted = `'${file.replaceAll("'", "'\\''")}'`;
  const what = text.endsWith('}') ? 'is no line of a run' : 'is cut off';
  return new InputError(
    `${file}, line ${number}, ${what}; \`head -n ${number - 1} ${quoted}\` prints what stands before it.`,
  );
}
