// Whether `plan --documents` says how long the client takes, and `plan --memory` how fast another size is: both against
// packages/emulator. Run by `npm run bench -- loadtest`; alone, `node bench/loadtest/questions.mjs [--quick]`.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { NerClient } from '../../packages/client/dist/index.js';
import { startEmulator } from '../../packages/emulator/dist/index.js';
import { plan, Requests, runBurst, runLoop, Samples } from '../../packages/loadtest/dist/index.js';
import { DEFAULT_MODEL, describeModel, prepareModel } from '../../scripts/model.mjs';
import { python } from '../../scripts/python.mjs';
import { root } from '../../scripts/step.mjs';
import { runOf } from './simulated.mjs';

/**
 * @typedef {import('../report.mjs').Row} Row
 * @typedef {import('../../packages/loadtest/dist/index.js').Run} Run
 * @typedef {import('../../packages/loadtest/dist/index.js').Sample} Sample
 */

/** Waits as long as a function of one core would work, so that this machine's cores do not matter. */
const FUNCTION = `
import json, os, time
COLD = [True]
def handler(event, context):
    texts = json.loads(event["body"]).get("texts") or [json.loads(event["body"])["text"]]
    ms = 20 + 0.05 * sum(map(len, texts))
    time.sleep(ms / 1000)
    cold, COLD[0] = COLD[0], False
    headers = {"content-type": "application/json", "x-ner-cold-start": str(int(cold)), "x-ner-init-type": "on-demand",
               "x-ner-instance": os.environ["AWS_LAMBDA_LOG_STREAM_NAME"][-32:], "server-timing": f"init;dur=1, ner;dur={ms:.2f}"}
    model = {"name": "bench", "version": "1", "digest": "sha256:00"}
    results = [{"entities": []} for _ in texts]
    body = {"results": results, "model": model} if "texts" in event["body"] else {"entities": [], "model": model}
    return {"statusCode": 200, "headers": headers, "body": json.dumps(body)}
`;
const DOCUMENTS = 2000;
const CHARACTERS = 1500;

/** @param {{ quick?: boolean }} [options] @returns {Promise<Row[]>} */
export async function rows({ quick = false } = {}) {
  return [await documents(quick ? 500 : DOCUMENTS), await memory(quick ? 20 : 60)];
}

/** @param {number} count @returns {Promise<Row>} */
async function documents(count) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'burst-ner-bench-'));
  fs.writeFileSync(path.join(folder, 'waits.py'), FUNCTION);
  const emulator = await startEmulator({
    kong: path.join(root, 'kong/kong.yaml'),
    ...{ service: folder, handler: 'waits.handler', python, model: folder, startsAtOnce: 5, env: {} },
  });
  try {
    const texts = Array.from({ length: count }, (_, i) => `${i} `.padEnd(CHARACTERS, 'word '));
    const file = path.join(folder, 'texts.jsonl');
    fs.writeFileSync(
      file,
      texts
        .slice(0, 64)
        .map((text) => JSON.stringify(text))
        .join('\n'),
    );
    const samples = new Samples();
    await runLoop({
      ...{ url: new URL(emulator.endpoint), apiKey: emulator.keys['load-generator'], connections: 5, durationMs: 3000 },
      ...{ requests: Requests.read(file, 8, undefined), onSample: (/** @type {Sample} */ one) => samples.push(one) },
    });
    const empty = runOf([], null);
    const run = { ...empty, samples, info: { ...empty.info, target: emulator.endpoint } };
    const limit = 100;
    const asked = { documents: count, characters: CHARACTERS };
    const { documents: planned } = await plan([run], { n: [20], provisioned: [0], limit, documents: asked });
    if (!planned) throw new Error('nothing was planned');
    let requests = 0;
    const client = new NerClient({
      url: emulator.endpoint,
      apiKey: emulator.keys['batch-processor'],
      onEvent: ({ type }) => void (type === 'answer' && requests++),
    });
    const began = performance.now();
    for await (const { ok } of client.extractAll(texts)) if (!ok) throw new Error('a document of the benchmark failed');
    const seconds = (performance.now() - began) / 1000;
    await client.close();
    const [byTime, byRequests] = [planned.seconds[0] / seconds - 1, planned.requests / requests - 1];
    return {
      what: `plan --documents ${count} --characters ${CHARACTERS}: against the client and the emulator, within one minute of its limit`,
      must: 'time within 10 %, requests within 5 %',
      value: `time ${signed(byTime)} (${seconds.toFixed(1)} s), requests ${signed(byRequests)} (${requests})`,
      verdict: Math.abs(byTime) <= 0.1 && Math.abs(byRequests) <= 0.05 ? 'reached' : 'falls short',
    };
  } finally {
    await emulator.close();
    fs.rmSync(folder, { recursive: true });
  }
}

/** @param {number} requests @returns {Promise<Row>} */
async function memory(requests) {
  const row = {
    what: 'plan --memory 884, from a run at 1,769 MB, half the CPU: median against the emulator',
    must: 'within 10 %',
  };
  const model = await prepareModel(describeModel(DEFAULT_MODEL));
  try {
    const [half, full] = [await at(884, requests, model), await at(1769, requests, model)];
    const planned = await plan([full], { n: [1], provisioned: [0], memoryMb: [884, 1769] });
    const [predicted] = planned.memory;
    const measured = await plan([half], { n: [1], provisioned: [0], memoryMb: [884, 1769] });
    const by = (predicted?.warm?.value ?? 0) / (measured.memory[0]?.warm?.value ?? 1) - 1;
    return {
      ...row,
      value: `${signed(by)} (${requests} requests of each)`,
      verdict: Math.abs(by) <= 0.1 ? 'reached' : 'falls short',
    };
  } catch (error) {
    return { ...row, value: `not run: ${error instanceof Error ? error.message : error}`, verdict: 'not run' };
  }
}

/** One request after another, so that none shares a core. @param {number} memoryMb @param {number} requests @param {string} model @returns {Promise<Run>} */
async function at(memoryMb, requests, model) {
  const emulator = await startEmulator({
    ...{ kong: path.join(root, 'kong/kong.yaml'), service: path.join(root, 'packages/service') },
    ...{ python, model, memoryMb, env: {} },
  });
  try {
    const samples = new Samples();
    const text = 'Ada Lovelace wrote to Charles Babbage in London on 10 July 1843 about the Analytical Engine. '.repeat(
      100,
    );
    // Many periods of the scheduler long: within one a function has a whole core.
    const file = path.join(os.tmpdir(), `burst-ner-bench-${process.pid}.jsonl`);
    fs.writeFileSync(file, JSON.stringify({ texts: Array(20).fill(text) }));
    const heavy = Requests.read(file, 1, undefined);
    fs.rmSync(file);
    for (let burst = 0; burst <= requests; burst++) {
      const load = { url: new URL(emulator.endpoint), apiKey: emulator.keys['load-generator'] };
      const fired = await runBurst({ ...load, requests: heavy, n: 1, burst });
      for (const sample of fired.samples) samples.push(sample);
    }
    const run = runOf([], null);
    return {
      ...run,
      samples,
      info: { ...run.info, n: 1, target: emulator.endpoint, labels: { memory: String(memoryMb) } },
    };
  } finally {
    await emulator.close();
  }
}

/** @param {number} share */
function signed(share) {
  return `${share < 0 ? '' : '+'}${(100 * share).toFixed(1)} %`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const row of await rows({ quick: process.argv.includes('--quick') })) console.log(JSON.stringify(row));
}
