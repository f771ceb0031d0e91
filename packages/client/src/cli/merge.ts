import * as fs from 'node:fs';
import { rewrite } from './disk.js';
import { modelChanged, OutputError, unusable } from './errors.js';
import { formatOf } from './flags.js';
import type { OutputFormat, OutputRecord } from './record.js';
import { partOf, readDone } from './resume.js';
import { firstDifference, type RunFacts, readRun, writeRun } from './run-file.js';

/**
 * Puts the outputs of all shards of one run into the order of the inputs: the output that one process would have written,
 * whole or not at all, which `extract` can resume.
 *
 * @throws {OutputError} for shards that are missing, not complete, twice there or of different runs or models
 */
export async function merge(files: string[], out: string): Promise<{ documents: number; failed: number }> {
  const { facts, paths, documents } = shardsOf(files);
  const format = formatOf(facts);
  if (fs.existsSync(out)) throw new OutputError(`${out} is there already; it stays as it is: name another with --out`);
  let failed = 0;
  let model: string | undefined;
  async function* text() {
    yield format.header;
    for await (const record of inTurn(paths, format, documents)) {
      if (record.model && model && record.model !== model) throw modelChanged(out, model, record.model);
      model ??= record.model;
      if (record.error) failed++;
      yield format.toText(record);
    }
    // Before the output is there: one without it could not be resumed.
    writeRun(`${out}.run`, { ...facts, documents });
  }
  try {
    await rewrite(out, `${partOf(out)}.new`, text());
  } catch (error) {
    throw 'syscall' in (error as Error) ? unusable(out, error) : error;
  }
  return { documents, failed };
}

async function* inTurn(
  paths: string[],
  format: OutputFormat,
  documents: number,
): AsyncGenerator<OutputRecord, void, undefined> {
  const shards = paths.map((path) => ({ path, records: readDone(path, format) }));
  for (let number = 0; number < documents; number++) {
    const { path, records } = shards[number % shards.length] as (typeof shards)[number];
    const { value } = await records.next();
    if (!value) throw new OutputError(`${path} ends before document ${number + 1} of ${documents}; run it again`);
    yield value.record;
  }
  for (const { path, records } of shards) {
    if ((await records.next()).value) throw new OutputError(`${path} holds more than its run did; run it again`);
  }
}

/** The files in the order of their shards. */
function shardsOf(files: string[]): { facts: RunFacts; paths: string[]; documents: number } {
  const paths: string[] = [];
  let first: { path: string; facts: RunFacts } | undefined;
  let documents = 0;
  let count = 0;
  for (const path of files) {
    const run = readRun(`${path}.run`);
    if (!run) throw new OutputError(`${path}.run is not there; copy it along with ${path}, which it tells of`);
    if (!run.shard) throw new OutputError(`${path} is no shard: it was written without --shard`);
    if (run.documents === undefined) throw new OutputError(`${path} is not complete; run its shard again`);
    const [index = 0, of = 0] = run.shard.split('/').map(Number);
    const facts = { ...run, shard: `i/${of}` };
    first ??= { path, facts };
    documents ||= run.documents;
    count ||= of;
    const inputs = `its inputs had ${documents} documents, and now have ${run.documents}`;
    const different = firstDifference(first.facts, facts) ?? (run.documents === documents ? undefined : inputs);
    if (different) throw new OutputError(`${path} is not of the same run as ${first.path}: ${different}`);
    if (paths[index - 1]) throw new OutputError(`${path} is the shard ${run.shard}, and so is ${paths[index - 1]}`);
    paths[index - 1] = path;
  }
  if (!first) throw new OutputError('name the outputs of all shards');
  const missing = Array.from({ length: count }, (_, i) => `${i + 1}/${count}`).filter((_, i) => !paths[i]);
  if (missing.length > 0) throw new OutputError(`missing of ${count} shards: ${missing.join(', ')}`);
  return { facts: { ...first.facts, shard: undefined }, paths, documents };
}
