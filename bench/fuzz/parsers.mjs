// Damaged input for every parser, each in a process of its own, as many at a time as there are cores.
import child_process from 'node:child_process';
import { once } from 'node:events';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { python } from '../../scripts/python.mjs';
import { root, UserError } from '../../scripts/step.mjs';

/** @typedef {import('../report.mjs').Row} Row */
/** @typedef {{ inputs: number, found: string | null }} Fuzzed */

/** What reads what; the engine first, since it is where a crash would hurt most. @type {Record<string, string>} */
export const PARSERS = {
  'engine-files': 'model files, by the engine in C under the sanitizers',
  'engine-texts': 'texts, by the engine in C under the sanitizers',
  documents: 'JSON Lines in ranges, CSV and gzip, by the batch worker',
  events: "Lambda's events and requests, by the function",
  prepared: "a prepared model's manifest, by the function",
  kong: 'kong.yaml, by the emulator',
  references: "decK's references, by deploying and the emulator",
  heads: 'heads and bodies of requests and answers, by the gateway',
  gateway: 'the same over sockets, by a whole gateway',
  answers: 'answers, limits and waits, by the client',
  inputs: "documents, by the client's command",
  outputs: "outputs of earlier runs, by the client's command",
  runs: "runs and the function's log, by the load test, with reports of them",
  connection: 'answers of a target, by the load test',
};
const IN_PYTHON = new Set(['engine-files', 'engine-texts', 'documents', 'events', 'prepared']);
const OUT = path.join(root, '.cache/fuzz');

/**
 * @param {{ quick?: boolean, minutes?: number, names?: string[] }} [options] minutes: for each parser
 * @returns {Promise<Row[]>}
 */
export async function rows({ quick = false, minutes = quick ? 0.1 : 10, names = [] } = {}) {
  const unknown = names.find((name) => !Object.hasOwn(PARSERS, name));
  if (unknown) throw new UserError(`There is no parser ${unknown}; there are ${Object.keys(PARSERS).join(', ')}.`);
  const seed = Math.floor(Math.random() * 1e6);
  const wanted = Object.keys(PARSERS).filter((name) => names.length === 0 || names.includes(name));
  if (wanted.some((name) => !IN_PYTHON.has(name))) await build();
  const waiting = [...wanted];
  /** @type {Map<string, Row>} */
  const done = new Map();
  const one = async () => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      console.error(`  Fuzz ${name} for ${minutes} min, seed ${seed} …`);
      const { inputs, found } = await run(name, seed, minutes * 60);
      if (found) console.error(`  ${name}: ${found}`);
      done.set(name, {
        what: `${name}: ${PARSERS[name]}`,
        must: '0 found',
        value: `${found ? 1 : 0} found in ${inputs.toLocaleString('en')} inputs, ${minutes} min, seed ${seed}`,
        verdict: found ? 'falls short' : 'reached',
      });
    }
  };
  await Promise.all(Array.from({ length: os.availableParallelism() }, one));
  return wanted.flatMap((name) => done.get(name) ?? []);
}

/** The parsers in TypeScript, and what damages their input, as one program; packages stay outside. */
async function build() {
  const { build } = await import('tsup');
  await build({
    ...{ entry: { main: path.join(root, 'test/fuzz/main.ts') }, outDir: OUT, format: 'esm', target: 'node20' },
    ...{ config: false, silent: true, clean: true, skipNodeModulesBundle: true, outExtension: () => ({ js: '.mjs' }) },
  });
}

/** @param {string} name @param {number} seed @param {number} seconds @returns {Promise<Fuzzed>} */
async function run(name, seed, seconds) {
  const service = path.join(root, 'packages/service');
  const [program, file] = IN_PYTHON.has(name)
    ? [python, path.join(service, 'tests/fuzz.py')]
    : [process.execPath, path.join(OUT, 'main.mjs')];
  const child = child_process.spawn(program, [file, name, String(seed), String(seconds)], {
    cwd: root,
    env: { ...process.env, PYTHONPATH: service },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (data) => {
    output += data;
  });
  const [code, signal] = await once(child, 'close');
  const line = output.trim().split('\n').at(-1) ?? '';
  return code === 0 && line
    ? JSON.parse(line)
    : { inputs: 0, found: `its process ended (${signal ?? code}), seed ${seed}` };
}
