// Damaged inputs for one parser, from real ones: it gives a value or its own error, in time, and changes nothing else.
import fc from 'fast-check';

/** A parser, and what is known of its inputs. */
export interface Parser {
  /** Real ones. */
  readonly inputs: readonly Buffer[];
  /** Words that mean something in them. */
  readonly words: readonly string[];
  /** Throws what the parser must not throw, or what its value must not be. */
  parse(input: Buffer): unknown;
  close?(): Promise<void>;
}

export interface Fuzzed {
  inputs: number;
  /** Null, or what was found and how to see it again. */
  found: string | null;
  /** The smallest input that shows it. */
  input: Buffer | undefined;
}

/** An input's bytes at most, and the CPU seconds that it may take. */
export const MOST_BYTES = 100_000;
const SLOWEST_S = 5;

/** Inputs of one run of fast-check: few, so that it is asked often enough whether to go on. */
const ROUND = 100;

const change = fc.record({
  kind: fc.nat(6),
  at: fc.nat(),
  size: fc.constantFrom(1, 2, 8, 60, 1000),
  from: fc.nat(),
  which: fc.nat(),
  times: fc.constantFrom(1, 2, 50, 3000),
});
type Change = typeof change extends fc.Arbitrary<infer T> ? T : never;

/** Real inputs with a few changes each: of a bit, a cut, a word, a repetition, or a piece of another one. */
function damaged({ inputs, words }: Pick<Parser, 'inputs' | 'words'>): fc.Arbitrary<Buffer> {
  const apply = (input: Buffer, { kind, at, size, from, which, times }: Change): Buffer => {
    const begin = at % (input.length + 1);
    const end = Math.min(input.length, begin + size);
    const [before, after] = [input.subarray(0, begin), input.subarray(end)];
    const put = (...made: Buffer[]) => Buffer.concat([before, ...made, after]).subarray(0, MOST_BYTES);
    const word = () => Buffer.from(words[which % words.length] ?? '', which % 2 ? 'latin1' : 'utf8');
    if (kind === 0) return put(...[...input.subarray(begin, end)].map((byte) => Buffer.of(byte ^ (1 << (from % 8)))));
    if (kind === 1) return put();
    if (kind === 2) return put(word(), input.subarray(begin, end));
    if (kind === 3) return put(word());
    if (kind === 4) return put(Buffer.alloc(Math.min(MOST_BYTES, times * (end - begin)), input.subarray(begin, end)));
    if (kind === 5) return before;
    const other = inputs[which % inputs.length] ?? input;
    return put(other.subarray(from % (other.length + 1)).subarray(0, size));
  };
  return fc
    .tuple(fc.nat(inputs.length - 1), fc.array(change, { maxLength: 6 }))
    .map(([which, changes]) => changes.reduce(apply, inputs[which] ?? Buffer.alloc(0)));
}

/**
 * @param more whether to go on
 * @param note sees each input before the parser does
 */
export async function fuzz(
  parser: Parser,
  seed: number,
  more: () => boolean,
  note = (_: Buffer) => {},
): Promise<Fuzzed> {
  let inputs = 0;
  const property = fc.asyncProperty(damaged(parser), async (input) => {
    note(input);
    inputs++;
    await judge(parser, input);
  });
  for (let round = seed; more(); round++) {
    const { failed, counterexample, counterexamplePath, errorInstance } = await fc.check(property, {
      seed: round,
      numRuns: ROUND,
    });
    if (!failed) continue;
    const input = counterexample?.[0];
    const error = errorInstance instanceof Error ? errorInstance.stack : String(errorInstance);
    const shown = JSON.stringify(input?.subarray(0, 300).toString('latin1'));
    return { inputs, input, found: `seed ${round}, path ${counterexamplePath}, input ${shown}: ${error}` };
  }
  return { inputs, input: undefined, found: null };
}

async function judge(parser: Parser, input: Buffer): Promise<void> {
  const began = process.cpuUsage();
  await parser.parse(input);
  const { user, system } = process.cpuUsage(began);
  if (user + system > SLOWEST_S * 1e6) throw new Error(`took ${(user + system) / 1e6} s of CPU`);
  for (const name in {}) throw new Error(`Object.prototype has ${name} now`);
}

/** Throws an error again that is none of those, or whose message is more than a line. */
export function expected(error: unknown, ...kinds: (new (...args: never[]) => Error)[]): void {
  if (!(error instanceof Error && kinds.some((kind) => error instanceof kind))) throw error;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these must not reach a terminal.
  if (/[\x00-\x1f\x7f]/.test(error.message)) throw new Error(`not one line: ${JSON.stringify(error.message)}`);
}

/** The input in pieces, whose lengths depend on it alone. */
export function pieces(input: Buffer): Buffer[] {
  const all: Buffer[] = [];
  let state = input.length;
  for (let at = 0; at < input.length; ) {
    state = (Math.imul(state ^ (input[at] ?? 0), 1664525) + 1013904223) >>> 0;
    const size = 1 + ((state >>> 16) % (state % 4 ? 2000 : 7));
    all.push(input.subarray(at, at + size));
    at += size;
  }
  return all;
}
