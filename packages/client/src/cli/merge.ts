import * as fs from 'node:fs';
import { formatOf } from './extract.js';
import type { OutputFormat } from './jsonl.js';
import { modelChanged, OutputError, type OutputRecord, unusable } from './record.js';
import { firstDifference, type RunFacts, readRun, writeRun } from './run-file.js';

/**
 * Puts the outputs of all shards of one run into the order of the inputs: the output that one process would have written,
 * which `extract` can resume.
 *
 * @param out a file that is not there yet
 * @returns how many documents there are, and how many of them failed
 * @throws {OutputError} for shards that are missing, not complete, twice there or of different runs or models
 */
export async function merge(files: string[], out: string): Promise<{ documents: number; failed: number }> {
  const { facts, paths, documents } = shardsOf(files);
  const format = formatOf(facts);
  let failed = 0;
  let model: string | undefined;
  const write = create(out);
  try {
    write(format.header);
    for await (const record of inTurn(
      paths.map((path) => ({ path, records: format.read(path) })),
      documents,
    )) {
      if (record.model && model && record.model !== model) throw modelChanged(out, model, record.model);
      model ??= record.model;
      if (record.error) failed++;
      write(format.toText(record));
    }
    writeRun(`${out}.run`, { ...facts, documents });
  } catch (error) {
    fs.rmSync(out);
    throw 'syscall' in (error as Error) ? unusable(out, error) : error;
  }
  return { documents, failed };
}

function create(out: string): (text: string) => void {
  try {
    const fd = fs.openSync(out, 'wx');
    return (text) => fs.appendFileSync(fd, text);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw unusable(out, error);
    throw new OutputError(`${out} is there already; it stays as it is: name another with --out`);
  }
}

/** The first record of each, the second of each, and so on. */
async function* inTurn(
  shards: { path: string; records: ReturnType<OutputFormat['read']> }[],
  documents: number,
): AsyncGenerator<OutputRecord, void, undefined> {
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
  for (const path of files) {
    const facts = readRun(`${path}.run`);
    if (!facts) throw new OutputError(`${path}.run is not there; copy it along with ${path}, which it tells of`);
    if (!facts.shard) throw new OutputError(`${path} is no shard: it was written without --shard`);
    if (facts.documents === undefined) throw new OutputError(`${path} is not complete; run its shard again`);
    first ??= { path, facts };
    const [index = 0, count = 0] = facts.shard.split('/').map(Number);
    let different = firstDifference(first.facts, facts, ['textField', 'idField', 'format', 'outputFormat']);
    if (count !== countOf(first.facts)) different ??= `--shard was ${first.facts.shard}, and now is ${facts.shard}`;
    if (facts.documents !== first.facts.documents) {
      different ??= `its inputs had ${first.facts.documents} documents, and now have ${facts.documents}`;
    }
    if (different) throw new OutputError(`${path} is not of the same run as ${first.path}: ${different}`);
    if (paths[index - 1]) throw new OutputError(`${path} is the shard ${facts.shard}, and so is ${paths[index - 1]}`);
    paths[index - 1] = path;
  }
  if (!first) throw new OutputError('name the outputs of all shards');
  const count = countOf(first.facts);
  const missing = Array.from({ length: count }, (_, i) => i).filter((i) => !paths[i]);
  if (missing.length > 0) {
    throw new OutputError(`missing of ${count} shards: ${missing.map((i) => `${i + 1}/${count}`).join(', ')}`);
  }
  return { facts: { ...first.facts, shard: undefined }, paths, documents: first.facts.documents as number };
}

function countOf({ shard = '' }: RunFacts): number {
  return Number(shard.split('/')[1]);
}
