import { setTimeout as sleep } from 'node:timers/promises';
import type { Account } from './account.js';
import { Books, type Offsets, type Run } from './books.js';
import { BatchError } from './errors.js';
import { assumedSpeed, type Forecast, forecast, type Size, type Speed } from './forecast.js';
import { canBeCut, cut, type File, findFiles, lengthOf, type Part, partBytes } from './parts.js';
import { BOOKS, type Place, parsePlace, placeName, refuseOverlap } from './place.js';
import { Output, type PartRecords } from './records.js';
import { currentExecution, execute, type Machine } from './run.js';
import { takeSample } from './sample.js';

export interface Plan extends Forecast {
  files: number;
  /** Objects that are no documents by their names. */
  others: number;
  bytes: number;
  /** Estimated from a sample. */
  documents: number;
  characters: number;
  size: Size;
  speed: Speed;
  /** Milliseconds that the longest file takes that cannot be cut; null without one. */
  longestMs: number | null;
}

export interface PlanOptions {
  input: string;
  textField?: string | undefined;
  idField?: string | undefined;
  concurrency: number;
  size: Size;
}

/** Says what a run would take, from the sizes of the files and a sample of their content. Runs nothing. */
export async function plan(account: Account, options: PlanOptions, speed?: Speed): Promise<Plan> {
  const input = parsePlace(options.input);
  const { files, others } = await findFiles(account, input);
  const wanted = { text: options.textField, id: options.idField };
  const { documents, characters } = await takeSample(account, input.bucket, files, wanted);
  return planOf(cut(files, partBytes(files, options.concurrency)), { documents, characters }, others, options, speed);
}

/** About a million parts. */
const MOST_BYTES = 32e12;

/** Says what so many documents would take, as JSON Lines, with no documents at hand. */
export function planOnPaper(
  { documents, characters }: { documents: number; characters: number },
  options: Pick<PlanOptions, 'concurrency' | 'size'>,
): Plan {
  // {"id":"…","text":"…"} and a line break.
  const size = Math.ceil(documents * (characters + 32));
  if (size > MOST_BYTES)
    throw new BatchError('A plan on paper goes up to 32 TB; plan for fewer documents, and multiply.');
  const file: File = { key: '', name: '', etag: '', size, format: 'jsonl', gzip: false };
  const work = { documents, characters: documents * characters };
  return planOf(cut([file], partBytes([file], options.concurrency)), work, 0, options);
}

function planOf(
  parts: Part[],
  work: { documents: number; characters: number },
  others: number,
  { concurrency, size }: Pick<PlanOptions, 'concurrency' | 'size'>,
  known?: Speed,
): Plan {
  const lengths = parts.map(lengthOf);
  const bytes = lengths.reduce((sum, length) => sum + length, 0);
  const speed = known ?? assumedSpeed(bytes, work.characters, size);
  const whole = parts.filter((part) => !canBeCut(part)).map(lengthOf);
  return {
    ...forecast(lengths, work, speed, concurrency, size),
    files: new Set(parts.map(({ key }) => key)).size,
    others,
    bytes,
    ...work,
    size,
    speed,
    longestMs: whole.length > 0 ? Math.max(...whole) * speed.perByteMs : null,
  };
}

/** Bytes of the two parts of a trial. */
const TRIAL = [2 ** 18, 2 ** 22] as const;
const LOOK_MS = 1000;

/**
 * Measures the worker where it will run: two parts of the input, a small one and a larger one, which cost a cent at most.
 *
 * @throws {BatchError} when they fail
 */
export async function measure(
  account: Account,
  machine: Machine,
  options: { input: string; output: Place; offsets: Offsets } & Pick<PlanOptions, 'textField' | 'idField'>,
): Promise<{ speed: Speed; size: Pick<Size, 'memoryMb' | 'arch'> }> {
  const input = parsePlace(options.input);
  refuseOverlap(input, options.output);
  const { files } = await findFiles(account, input);
  const wanted = { text: options.textField, id: options.idField };
  const { fields, ...estimate } = await takeSample(account, input.bucket, files, wanted);
  const parts = trialParts(files);
  const out = { ...options.output, prefix: `${options.output.prefix}${BOOKS}trial-${Date.now()}/` };
  const books = new Books(account, out);
  const work = { in: { bucket: input.bucket }, out, fields, offsets: options.offsets };
  const run: Run = { input: options.input, stateMachine: machine.arn, work, partBytes: 0, ...estimate, executions: [] };
  await execute(account, books, run, parts);
  for (let status = 'RUNNING'; status === 'RUNNING'; ) {
    await sleep(LOOK_MS);
    ({ status } = await currentExecution(account, run));
  }
  const records = await new Output(account, out).of(parts);
  if (records.some(({ done }) => !done)) {
    throw new BatchError(`The trial failed; ${placeName({ ...out, prefix: books.key('') })} says why.`);
  }
  return speedOf(records);
}

/** From parts that are done: by two sizes what a part takes besides its bytes. */
function speedOf(records: readonly PartRecords[]): {
  speed: Speed;
  size: Pick<Size, 'memoryMb' | 'arch'>;
} {
  const points = records.map(({ part, objects }) => ({
    bytes: lengthOf(part),
    ms: objects.reduce((sum, { ms }) => sum + ms, 0),
  }));
  points.sort((a, b) => a.bytes - b.bytes);
  const [small, large] = [points[0], points.at(-1)];
  const object = records[0]?.objects[0];
  if (!small || !large || !object) throw new BatchError('Nothing was measured.');
  const slope = (large.ms - small.ms) / (large.bytes - small.bytes);
  const perByteMs = Number.isFinite(slope) && slope > 0 ? slope : large.ms / large.bytes;
  return {
    speed: { perByteMs, perPartMs: Math.max(0, large.ms - perByteMs * large.bytes), initMs: 500, measured: true },
    size: { memoryMb: object.memoryMb, arch: object.arch },
  };
}

function trialParts(files: readonly File[]): Part[] {
  const [first] = files.filter(canBeCut).sort((a, b) => b.size - a.size);
  if (!first) {
    const smallest = files.reduce((a, b) => (b.size < a.size ? b : a));
    return cut([smallest], smallest.size);
  }
  const [small, large] = TRIAL;
  if (first.size < small + large) return cut([first], Math.ceil(first.size / 2));
  return [
    { ...first, start: 0, end: small },
    { ...first, start: small, end: small + large },
  ];
}
