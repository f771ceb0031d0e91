// `npm run demo [-- FILE…]`: the whole path on real text, then one burst.
import child_process from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import util from 'node:util';
import { DEFAULT_MODEL, describeModel, prepareModel, runBy } from './model.mjs';
import { badge, bold, dim, paint, safe } from './paint.mjs';
import { python } from './python.mjs';
import { setUp } from './setup.mjs';
import { command, root, UserError, userPath } from './step.mjs';

const BURST = 20;
/** Requests a minute of the consumer load-generator in kong.yaml. */
const LIMIT = '1000';
const USAGE = `Usage: npm run demo [-- [--model PATH_OR_NAME] [--text-field NAME] [--format FORMAT] FILE…]
Extracts the entities of .txt, .jsonl, .json, .csv or .tsv files (without FILE: of demo/texts) on this machine, shows the
first lines of each document, then fires one burst. FORMAT is one of these, for files of other names.`;

await command(async () => {
  const { files, model: wanted, reading } = options();
  await setUp();
  const model = describeModel(wanted);
  const folder = await prepareModel(model);
  const { startEmulator } = await import('../packages/emulator/dist/index.js');
  console.error('  Start Kong and Lambda on this machine …');
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort()).once('SIGTERM', () => stop.abort());
  const emulator = await startEmulator({
    kong: path.join(root, 'kong/kong.yaml'),
    service: path.join(root, 'packages/service'),
    python,
    model: folder,
    reserved: BURST,
    // Keys are made up for the demo; those of a real gateway stay out of it.
    env: {},
    signal: stop.signal,
  }).catch((error) => {
    throw new UserError(stop.signal.aborted ? 'Stopped.' : error.message);
  });
  try {
    const failed = await extract(emulator, files, reading, stop.signal);
    await burst(emulator, stop.signal);
    console.log(`\n${bold('Model')} ${modelLine(model)}`);
    const where = `in ${emulator.runtime}, behind the emulated Kong and Lambda of packages/emulator`;
    console.log(`${bold('Run by')} ${runBy(folder)}, ${where}`);
    return failed ? 1 : 0;
  } catch (error) {
    throw stop.signal.aborted ? new UserError('Stopped.') : error;
  } finally {
    await emulator.close();
  }
});

/**
 * @returns {{ files: string[], model: string, reading: import('../packages/client/dist/documents.js').ReadOptions }}
 */
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
  const { model, 'text-field': textField, format } = values;
  return {
    files: positionals.length ? positionals.map(userPath) : own(),
    model,
    // readDocuments knows the formats.
    reading: {
      textField,
      format: /** @type {import('../packages/client/dist/documents.js').DocumentFormat} */ (format),
    },
  };
}

function parse() {
  if (process.env['npm_config_model']) {
    throw new UserError('npm kept --model for itself; put -- before it: npm run demo -- --model PATH_OR_NAME');
  }
  try {
    return util.parseArgs({
      allowPositionals: true,
      options: {
        model: { type: 'string', default: DEFAULT_MODEL },
        'text-field': { type: 'string' },
        format: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw new UserError(`${/** @type {Error} */ (error).message}\n${USAGE}`);
  }
}

/**
 * Prints each document with its entities, then the summary.
 * @param {import('../packages/emulator/dist/index.js').Emulator} emulator
 * @param {string[]} files
 * @param {import('../packages/client/dist/documents.js').ReadOptions} reading
 * @param {AbortSignal} signal
 * @returns {Promise<number>} how many documents failed
 */
async function extract(emulator, files, reading, signal) {
  const { NerClient, NerError } = await import('../packages/client/dist/index.js');
  const { readDocuments, DocumentsError } = await import('../packages/client/dist/documents.js');
  /** @type {Map<string, number>} */
  const labels = new Map();
  const count = { documents: 0, failed: 0, requests: 0, limited: 0 };
  const ner = new NerClient({
    url: emulator.endpoint,
    apiKey: emulator.keys['batch-processor'],
    onEvent: (event) => {
      if (event.type !== 'answer') return;
      count.requests += 1;
      if (event.status === 429) count.limited += 1;
    },
  });
  const options = { text: (/** @type {{ text: string }} */ document) => document.text, signal };
  const width = Math.min(process.stdout.columns || 100, 110) - 2;
  try {
    for await (const result of ner.extractAll(readDocuments(files, reading), options)) {
      const { source, line, id, text } = result.document;
      const name = safe([path.basename(source), id ?? (line && `line ${line}`)].filter(Boolean).join(', '));
      count.documents += 1;
      if (!result.ok) {
        count.failed += 1;
        console.log(`\n${bold(name)}\n${safe(result.error.message)}`);
        continue;
      }
      const facts = `${text.length.toLocaleString('en')} characters, ${result.entities.length} entities`;
      console.log(`\n${bold(name)}  ${dim(facts)}\n${paint(text, result.entities, { width, lines: 6 })}`);
      for (const { label } of result.entities) labels.set(label, (labels.get(label) ?? 0) + 1);
    }
  } catch (error) {
    throw error instanceof DocumentsError || error instanceof NerError ? new UserError(error.message) : error;
  } finally {
    await ner.close();
  }
  const byCount = [...labels].sort(([, a], [, b]) => b - a);
  console.log(
    `\n${bold('Summary')} ${count.documents} ${count.documents === 1 ? 'document' : 'documents'}${count.failed ? `, ${count.failed} failed` : ''}`,
  );
  for (let at = 0; at < byCount.length; at += 8) {
    const row = byCount.slice(at, at + 8);
    console.log(row.map(([label, n]) => `${badge(label)} ${n}`).join('  '));
  }
  console.log(`Requests used: ${count.requests} of 100 a minute, 429s: ${count.limited}`);
  return count.failed;
}

/**
 * @param {import('../packages/emulator/dist/index.js').Emulator} emulator
 * @param {AbortSignal} signal
 */
async function burst(emulator, signal) {
  const cores = os.availableParallelism();
  console.log(`\n${bold(`A burst of ${BURST}`)} ${dim('(burst-ner-load run, all requests at one instant)')}`);
  console.log(dim(`Cold starts share ${cores} cores here and wait for each other; on Lambda each has its own.\n`));
  const cli = path.join(root, 'packages/loadtest/dist/cli.js');
  const load = child_process.spawn(
    process.execPath,
    [cli, 'run', emulator.endpoint, '-n', String(BURST), '--limit', LIMIT],
    {
      stdio: 'inherit',
      env: { ...process.env, NER_API_KEY: emulator.keys['load-generator'] },
      signal,
    },
  );
  const code = await new Promise((resolve, reject) => load.on('error', reject).on('close', resolve));
  if (code !== 0) throw new UserError(`The burst failed (exit code ${code}); its own message stands above.`);
}

/** @param {import('./model.mjs').Model} model */
function modelLine({ name, version, lang, ents_f }) {
  const score = ents_f === null ? 'F-score not stated' : `F-score ${ents_f.toFixed(3)} (on its publisher's test set)`;
  return `${name} ${version}, language ${lang}, ${score}`;
}
