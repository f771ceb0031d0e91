// `node main.mjs PARSER SEED SECONDS` prints one JSON object: how many inputs, and what was found, null or text. Built and
// run by bench/fuzz/parsers.mjs. The parser runs in a thread of its own: one that hangs, or takes all memory, is found too.
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { type Fuzzed, fuzz, MOST_BYTES } from './fuzz.js';
import { PARSERS } from './parsers.js';

/** How long one input may take before it counts as one that hangs, s. */
const HANGS_S = 60;
const MOST_MEMORY = 1.5e9;

interface Order {
  name: string;
  seed: number;
  seconds: number;
  /** Number of inputs, length of the one at hand, and that one. */
  shared: SharedArrayBuffer;
}

async function work({ name, seed, seconds, shared }: Order): Promise<void> {
  const [counters, bytes] = [new Int32Array(shared, 0, 2), new Uint8Array(shared, 8)];
  const parser = await PARSERS[name]?.();
  if (!parser) throw new Error(`no parser ${name}`);
  const until = performance.now() + seconds * 1000;
  const note = (input: Buffer) => {
    bytes.set(input);
    Atomics.store(counters, 1, input.length);
    Atomics.add(counters, 0, 1);
  };
  parentPort?.postMessage(await fuzz(parser, seed, () => performance.now() < until, note));
  await parser.close?.();
}

async function watch(name: string, seed: number, seconds: number): Promise<void> {
  const shared = new SharedArrayBuffer(8 + MOST_BYTES);
  const [counters, bytes] = [new Int32Array(shared, 0, 2), new Uint8Array(shared, 8)];
  const order: Order = { name, seed, seconds, shared };
  const worker = new Worker(new URL(import.meta.url), {
    workerData: order,
    // The stack of a main thread, in which the parsers run else.
    resourceLimits: { maxOldGenerationSizeMb: 400, stackSizeMb: 1 },
  });
  const result = await new Promise<Fuzzed>((resolve) => {
    let [before, since] = [-1, performance.now()];
    const stop = (why: string) => {
      const input = Buffer.from(bytes.subarray(0, Atomics.load(counters, 1)));
      resolve({ inputs: Atomics.load(counters, 0), found: `seed ${seed}: ${why}`, input });
    };
    const timer = setInterval(() => {
      const now = Atomics.load(counters, 0);
      if (now !== before) [before, since] = [now, performance.now()];
      else if (performance.now() - since > HANGS_S * 1000) stop(`an input takes more than ${HANGS_S} s`);
      if (process.memoryUsage().rss > MOST_MEMORY) stop(`the process has ${process.memoryUsage().rss} bytes`);
    }, 1000);
    worker.once('message', resolve).once('error', (error) => stop(error.stack ?? String(error)));
    worker.once('exit', () => clearInterval(timer));
  });
  const { inputs, input, found } = result;
  const kept = path.join(tmpdir(), `burst-ner-found-${name}-${process.pid}.bin`);
  if (input) writeFileSync(kept, input);
  console.log(JSON.stringify({ inputs, found: found && `${found} (the input is in ${kept})` }));
  process.exit();
}

if (isMainThread) await watch(process.argv[2] ?? '', Number(process.argv[3]), Number(process.argv[4]));
else await work(workerData as Order);
