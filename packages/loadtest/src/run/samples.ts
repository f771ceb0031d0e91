import { OUTCOMES, type Sample, STARTS } from './sample.js';

/** A sample as it is kept in memory: without what only its line in the run's file has. */
export type Kept = Omit<Sample, 'index' | 'requestId' | 'lambdaRequestId'>;

const TIMES = ['intendedMs', 'sentMs', 'firstByteMs', 'lastByteMs'] as const;
const PARTS = [
  'initMs',
  'loadMs',
  'nerMs',
  'kongMs',
  'upstreamMs',
  'durationMs',
  'billedMs',
  'reportInitMs',
  'limit',
  'remaining',
  'resetS',
  'documents',
  'characters',
  'bytes',
] as const;
const WORDS = ['initType', 'instance', 'model', 'error'] as const;
/** All that is kept of a sample, in the order in which it is told. */
export const KEPT = ['burst', 'outcome', 'start', ...TIMES, ...PARTS, 'status', ...WORDS] as const;

/** Rows in one block: blocks are never copied as samples are added. */
const ROWS = 1024;

/** Where the rows of each column begin. */
function offsets<Name extends string>(names: readonly Name[]): Record<Name, number> {
  return Object.fromEntries(names.map((name, column) => [name, column * ROWS])) as Record<Name, number>;
}
const [TIME, PART, WORD] = [offsets(TIMES), offsets(PARTS), offsets(WORDS)];

function known(value: number | undefined): number | null {
  return value === undefined || Number.isNaN(value) ? null : value;
}

/**
 * All samples of a run, in columns: a hundred thousand take about 11 MB, which bench/loadtest/statistics.mjs weighs. Not
 * a number stands for null.
 */
export class Samples implements Iterable<Kept> {
  readonly #blocks: Block[] = [];
  readonly #words: (string | null)[] = [null];
  readonly #codes = new Map<string | null, number>([[null, 0]]);
  #length = 0;

  static from(samples: Iterable<Kept>): Samples {
    const all = new Samples();
    for (const sample of samples) all.push(sample);
    return all;
  }

  get length(): number {
    return this.#length;
  }

  push(sample: Kept): void {
    const row = this.#length++ % ROWS;
    if (row === 0) this.#blocks.push(new Block());
    const block = this.#blocks.at(-1) as Block;
    TIMES.forEach((name, column) => {
      block.times[column * ROWS + row] = sample[name] ?? Number.NaN;
    });
    PARTS.forEach((name, column) => {
      block.parts[column * ROWS + row] = sample[name] ?? Number.NaN;
    });
    WORDS.forEach((name, column) => {
      block.words[column * ROWS + row] = this.#code(sample[name] ?? null);
    });
    block.bursts[row] = sample.burst;
    block.outcomes[row] = OUTCOMES.indexOf(sample.outcome);
    block.starts[row] = STARTS.indexOf(sample.start);
    block.statuses[row] = sample.status ?? 0;
  }

  // Every field by its name: a loop over names is slower, and a report walks through all samples.
  *[Symbol.iterator](): Iterator<Kept> {
    for (let at = 0; at < this.#length; at++) {
      const { times, parts, words, bursts, outcomes, starts, statuses } = this.#blocks[Math.floor(at / ROWS)] as Block;
      const row = at % ROWS;
      yield {
        burst: bursts[row] as number,
        outcome: OUTCOMES[outcomes[row] as number] as Kept['outcome'],
        start: STARTS[starts[row] as number] as Kept['start'],
        intendedMs: times[TIME.intendedMs + row] as number,
        sentMs: times[TIME.sentMs + row] as number,
        firstByteMs: known(times[TIME.firstByteMs + row]),
        lastByteMs: known(times[TIME.lastByteMs + row]),
        initMs: known(parts[PART.initMs + row]),
        loadMs: known(parts[PART.loadMs + row]),
        nerMs: known(parts[PART.nerMs + row]),
        kongMs: known(parts[PART.kongMs + row]),
        upstreamMs: known(parts[PART.upstreamMs + row]),
        durationMs: known(parts[PART.durationMs + row]),
        billedMs: known(parts[PART.billedMs + row]),
        reportInitMs: known(parts[PART.reportInitMs + row]),
        limit: known(parts[PART.limit + row]),
        remaining: known(parts[PART.remaining + row]),
        resetS: known(parts[PART.resetS + row]),
        documents: known(parts[PART.documents + row]) ?? 1,
        characters: known(parts[PART.characters + row]),
        bytes: known(parts[PART.bytes + row]),
        status: statuses[row] || null,
        initType: this.#word(words[WORD.initType + row]),
        instance: this.#word(words[WORD.instance + row]),
        model: this.#word(words[WORD.model + row]),
        error: this.#word(words[WORD.error + row]),
      };
    }
  }

  #word(code: number | undefined): string | null {
    return this.#words[code ?? 0] ?? null;
  }

  /** Each different word is kept once. */
  #code(word: string | null): number {
    let code = this.#codes.get(word);
    if (code === undefined) {
      code = this.#words.push(word) - 1;
      this.#codes.set(word, code);
    }
    return code;
  }
}

class Block {
  readonly times = new Float64Array(TIMES.length * ROWS);
  readonly parts = new Float32Array(PARTS.length * ROWS);
  readonly words = new Uint32Array(WORDS.length * ROWS);
  readonly bursts = new Uint32Array(ROWS);
  readonly outcomes = new Uint8Array(ROWS);
  readonly starts = new Uint8Array(ROWS);
  /** 0 for null. */
  readonly statuses = new Uint16Array(ROWS);
}
