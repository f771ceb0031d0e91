// The whole path as a batch uses it: documents of 1 KB through the client, the emulated gateway and Lambda, beside
// `nlp.pipe` in as many processes.
import child_process from 'node:child_process';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import readline from 'node:readline';
import { DEFAULT_MODEL, describeModel, prepareModel } from '../../scripts/model.mjs';
import { python } from '../../scripts/python.mjs';
import { root } from '../../scripts/step.mjs';
import { decide, figure, verdict } from '../median.mjs';
import { fortunes } from './pieces.mjs';

const KB = 1000;
const REQUESTS_A_MINUTE = 100;

/**
 * @param {{ quick?: boolean }} [options] quick: a tenth of the documents
 * @returns {Promise<import('../report.mjs').Row[]>}
 */
export async function rows({ quick = false } = {}) {
  const { startEmulator } = await import('../../packages/emulator/dist/index.js');
  const { NerClient } = await import('../../packages/client/dist/index.js');
  const processes = os.availableParallelism();
  const pipeline = describeModel(DEFAULT_MODEL);
  const model = await prepareModel(pipeline);
  const documents = ofOneKb(fortunes(), quick ? 200 : 2000);
  const kong = path.join(root, 'kong/kong.yaml');
  const service = path.join(root, 'packages/service');
  const emulator = await startEmulator({ kong, service, python, model, reserved: processes, env: {} });
  const start = (/** @type {'pipe' | 'recognizer'} */ kind) =>
    Array.from({ length: processes }, () => startPipe(kind === 'pipe' ? pipeline.path : model, kind));
  const pipes = start('pipe');
  const recognizers = start('recognizer');
  const answers = { ok: 0, limited: 0 };
  const ner = new NerClient({
    url: emulator.endpoint,
    apiKey: emulator.keys['batch-processor'],
    concurrency: processes,
    onEvent: (event) => {
      if (event.type === 'answer') answers[event.status === 429 ? 'limited' : 'ok']++;
    },
  });
  try {
    const ours = async (/** @type {string[]} */ texts) => {
      const begun = performance.now();
      for await (const outcome of ner.extractAll(texts)) if (!outcome.ok) throw outcome.error;
      return performance.now() - begun;
    };
    const theirs = async (/** @type {string[]} */ texts, among = pipes) => {
      const share = Math.ceil(texts.length / processes);
      const parts = among.map((pipe, i) => pipe.run(texts.slice(i * share, (i + 1) * share)));
      return Math.max(...(await Promise.all(parts)));
    };
    // Cold starts are another benchmark's matter.
    const few = documents.slice(0, 20 * processes);
    await ours(few);
    await theirs(few);
    await theirs(few, recognizers);
    /** @type {number[]} */
    const ownCode = [];
    /** @type {number[]} */
    const aMinute = [];
    let requests = 0;
    const measured = await decide(
      5,
      async () => {
        const pipeMs = await theirs(documents);
        const before = answers.ok;
        const ms = await ours(documents);
        requests += answers.ok - before;
        aMinute.push((60_000 * documents.length) / ms);
        ownCode.push((await theirs(documents, recognizers)) / ms);
        // The budget lets through so many documents; here it is far above what so few processes can do.
        const budgetMs = (60_000 * documents.length) / (REQUESTS_A_MINUTE * 249);
        return Math.max(pipeMs, budgetMs) / ms;
      },
      (ratio) => ratio >= 0.9,
    );
    const runs = measured.values.length;
    const times = aMinute.map((value) => value / REQUESTS_A_MINUTE);
    const what = `${(runs * documents.length).toLocaleString('en')} documents of 1 KB, ${processes} environments`;
    return [
      {
        what: `${what}, against \`nlp.pipe\` in ${processes} processes`,
        must: '≥ 0.9 ×',
        value: `${figure(measured.values, 2)} ×, ${Math.round((runs * documents.length) / requests)} documents a request, ${answers.limited} × 429`,
        verdict: measured.verdict,
      },
      {
        what: `${what}, against the service's own code in ${processes} processes, without client, gateway and Lambda`,
        must: '',
        value: `${figure(ownCode, 2)} ×`,
        verdict: '',
      },
      {
        what: `${what}, documents a minute`,
        must: '≥ 30 ×',
        value: `${figure(aMinute, 0)}, ${figure(times, 0)} ×`,
        peers: { 'one text a request, 100 requests a minute': String(REQUESTS_A_MINUTE) },
        verdict: verdict(times, (value) => value >= 30),
      },
    ];
  } finally {
    for (const pipe of [...pipes, ...recognizers]) pipe.close();
    await ner.close();
    await emulator.close();
  }
}

/** Real prose, put together to documents of about 1,000 characters. @param {string[]} texts @param {number} count */
function ofOneKb(texts, count) {
  const prose = texts.join('\n\n');
  return Array.from({ length: count }, (_, i) => {
    const at = (i * KB) % (prose.length - KB);
    return prose.slice(at, at + KB).toWellFormed();
  });
}

/** @param {string} model @param {'pipe' | 'recognizer'} kind */
function startPipe(model, kind) {
  const child = child_process.spawn(python, [path.join(root, 'bench/client/pipe.py'), model, kind], {
    env: { ...process.env, PYTHONPATH: path.join(root, 'packages/service'), OMP_NUM_THREADS: '1' },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = readline.createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    /** @param {string[]} texts @returns {Promise<number>} ms */
    async run(texts) {
      child.stdin.write(`${JSON.stringify(texts)}\n`);
      return Number((await lines.next()).value);
    },
    close: () => child.stdin.end(),
  };
}
