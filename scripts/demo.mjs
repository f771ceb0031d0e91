// `npm run demo [-- FILE…]`: the whole path on real text, then one burst.
import child_process from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import util from 'node:util';
import { DEFAULT_MODEL, describeModel } from './model.mjs';
import { badge, bold, dim, paint } from './paint.mjs';
import { python } from './python.mjs';
import { setUp } from './setup.mjs';
import { command, root, UserError } from './step.mjs';

const BURST = 20;
const USAGE = `Usage: npm run demo [-- [--model PATH_OR_NAME] FILE…]
Extracts the entities of .txt, .jsonl or .csv files (without FILE: of demo/texts) on this machine, then fires one burst.`;

await command(async () => {
  const { files, model: wanted } = options();
  await setUp();
  const model = describeModel(wanted);
  const { startEmulator } = await import('../packages/emulator/dist/index.js');
  console.error('  Start Kong and Lambda on this machine …');
  const emulator = await startEmulator({
    kong: path.join(root, 'kong/kong.yaml'),
    service: path.join(root, 'packages/service'),
    python,
    model: model.path,
    reserved: BURST,
  });
  const stop = async () => {
    await emulator.close();
    process.exit(130);
  };
  process.once('SIGINT', stop).once('SIGTERM', stop);
  try {
    const failed = await extract(emulator, files);
    await burst(emulator);
    console.log(`\n${bold('Model')} ${modelLine(model)}`);
    return failed ? 1 : 0;
  } finally {
    await emulator.close();
  }
});

function options() {
  const { values, positionals } = parse();
  if (values.help) {
    console.log(USAGE);
    process.exit(0);
  }
  const texts = path.join(root, 'demo/texts');
  const own = () =>
    fs
      .readdirSync(texts)
      .sort()
      .map((name) => path.join(texts, name));
  return { files: positionals.length ? positionals : own(), model: values.model };
}

function parse() {
  try {
    return util.parseArgs({
      allowPositionals: true,
      options: { model: { type: 'string', default: DEFAULT_MODEL }, help: { type: 'boolean', short: 'h' } },
    });
  } catch (error) {
    throw new UserError(`${/** @type {Error} */ (error).message}\n${USAGE}`);
  }
}

/**
 * Prints each document with its entities, then the summary.
 * @param {import('../packages/emulator/dist/index.js').Emulator} emulator
 * @param {string[]} files
 * @returns {Promise<number>} how many documents failed
 */
async function extract(emulator, files) {
  const { NerClient } = await import('../packages/client/dist/index.js');
  const { readDocuments, DocumentsError } = await import('../packages/client/dist/documents.js');
  /** @type {Map<string, number>} */
  const labels = new Map();
  const count = { documents: 0, failed: 0, requests: 0, limited: 0 };
  const ner = new NerClient({
    url: emulator.endpoint,
    apiKey: emulator.keys['batch-processor'],
    onResponse: ({ status }) => {
      count.requests += 1;
      if (status === 429) count.limited += 1;
    },
  });
  const width = Math.min(process.stdout.columns || 100, 110) - 2;
  try {
    for await (const result of ner.extractAll(readDocuments(files), { text: (document) => document.text })) {
      const { source, line, id, text } = result.document;
      const name = [path.basename(source), id ?? (line && `line ${line}`)].filter(Boolean).join(', ');
      count.documents += 1;
      if (!result.ok) {
        count.failed += 1;
        console.log(`\n${bold(name)}\n${result.error.message}`);
        continue;
      }
      const facts = `${text.length.toLocaleString('en')} characters, ${result.entities.length} entities`;
      console.log(`\n${bold(name)}  ${dim(facts)}\n${paint(text, result.entities, { width, lines: 6 })}`);
      for (const { label } of result.entities) labels.set(label, (labels.get(label) ?? 0) + 1);
    }
  } catch (error) {
    throw error instanceof DocumentsError ? new UserError(error.message) : error;
  } finally {
    await ner.close();
  }
  const byCount = [...labels].sort(([, a], [, b]) => b - a);
  console.log(`\n${bold('Summary')} ${count.documents} documents${count.failed ? `, ${count.failed} failed` : ''}`);
  for (let at = 0; at < byCount.length; at += 8) {
    const row = byCount.slice(at, at + 8);
    console.log(row.map(([label, n]) => `${badge(label)} ${n}`).join('  '));
  }
  console.log(`Requests used: ${count.requests} of 100 a minute, 429s: ${count.limited}`);
  return count.failed;
}

/** @param {import('../packages/emulator/dist/index.js').Emulator} emulator */
async function burst(emulator) {
  console.log(`\n${bold(`A burst of ${BURST}`)} ${dim('(burst-ner-load run, all requests at one instant)')}`);
  const cli = path.join(root, 'packages/loadtest/dist/cli.js');
  const load = child_process.spawn(process.execPath, [cli, 'run', emulator.endpoint, '-n', String(BURST)], {
    stdio: 'inherit',
    env: { ...process.env, NER_API_KEY: emulator.keys['load-generator'] },
  });
  const code = await new Promise((resolve) => load.on('close', resolve));
  if (code !== 0) throw new UserError(`The burst failed (exit code ${code}); its own message stands above.`);
  const cores = os.availableParallelism();
  console.log(dim(`Here the cold starts share ${cores} cores and wait for each other; on Lambda each has its own.`));
}

/** @param {import('./model.mjs').Model} model */
function modelLine({ name, version, lang, ents_f }) {
  const score = ents_f === null ? 'F-score not stated' : `F-score ${ents_f.toFixed(3)} (on its publisher's test set)`;
  return `${name} ${version}, language ${lang}, ${score}`;
}
