// What the Lambda side of the emulator costs and survives.
import { execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Fleet, findRuntime } from '../../packages/emulator/dist/index.js';
import { DEFAULT_MODEL, describeModel, prepareModel } from '../../scripts/model.mjs';
import { python } from '../../scripts/python.mjs';
import { root } from '../../scripts/step.mjs';
import { decide, figure, median } from '../median.mjs';

/**
 * @typedef {import('../report.mjs').Row} Row
 * @typedef {{ unanswered: number, wrong: number, answered: number, left: number, heapMb: number[], rssMb: number[] }} Load
 */

const service = path.join(root, 'packages/service');
const system = fileURLToPath(new URL('./lambda.system.mjs', import.meta.url));

/**
 * @param {{ quick?: boolean }} [options] a tenth of each
 * @returns {Promise<Row[]>}
 */
export async function rows({ quick = false } = {}) {
  const model = await prepareModel(describeModel(DEFAULT_MODEL));
  const scale = quick ? 0.1 : 1;
  return [
    await ownTime(scale),
    await fourCold(model),
    ...(await load(model, scale)),
    ...(await memory(scale)),
    ...(await killed(scale)),
  ];
}

/**
 * Differences of the medians of one invocation through the runtime server, and of one call in Python itself.
 * @param {number} scale @returns {Promise<Row>}
 */
async function ownTime(scale) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'burst-ner-bench-'));
  fs.writeFileSync(path.join(folder, 'app.py'), BARE);
  const fleet = new Fleet({
    runtime: await findRuntime(python, path.join(root, 'packages/emulator/python/compat_runtime.py'), false),
    taskRoot: folder,
    handler: 'app.handler',
    variables: {},
  });
  const text = 'Ada Lovelace met Charles Babbage in London. '.repeat(20);
  const event = JSON.stringify({ body: JSON.stringify({ text }), isBase64Encoded: false });
  const rounds = Math.max(50, 500 * scale);
  try {
    for (let at = 0; at < rounds; at++) await fleet.invoke('warm-up', event);
    const run = async () => {
      const times = [];
      for (let at = 0; at < rounds; at++) {
        const begin = performance.now();
        const result = await fleet.invoke(`r-${at}`, event);
        times.push(performance.now() - begin);
        if (!result || 'error' in result) throw new Error(JSON.stringify(result?.error));
      }
      const bare = execFileSync(python, ['app.py', String(rounds)], { cwd: folder, input: event, encoding: 'utf8' });
      return median(times) - Number(bare);
    };
    const { values, verdict } = await decide(5, run, (ms) => ms <= 1.5);
    const what = "the runtime server's own time over a bare handler call, p50";
    return { what, must: '≤ 1.5 ms', value: `${figure(values, 2)} ms`, verdict };
  } finally {
    await fleet.close();
    fs.rmSync(folder, { recursive: true });
  }
}

// What awslambdaric does with an event, without awslambdaric: JSON in, the call, JSON out.
const BARE = `
import json, sys, time
def handler(event, context):
    return {"statusCode": 200, "body": json.dumps({"length": len(json.loads(event["body"])["text"])})}
if __name__ == "__main__":
    event, times = sys.stdin.read(), []
    for _ in range(int(sys.argv[1])):
        begin = time.perf_counter()
        json.dumps(handler(json.loads(event), None))
        times.append(time.perf_counter() - begin)
    print(sorted(times)[len(times) // 2] * 1000)
`;

/**
 * Ratios of the time until four requests at once are answered, each by a new environment, to that of one alone.
 * @param {string} model @returns {Promise<Row>}
 */
async function fourCold(model) {
  const config = {
    runtime: await findRuntime(python, path.join(root, 'packages/emulator/python/compat_runtime.py'), false),
    taskRoot: service,
    handler: 'burst_ner.handler.handler',
    variables: { SPACY_MODEL_PATH: model },
  };
  const event = JSON.stringify({
    ...{ version: '2.0', rawPath: '/', headers: {}, body: '{"text":"Ada Lovelace lived in London."}' },
    ...{ isBase64Encoded: false, requestContext: { http: { method: 'POST', path: '/' } } },
  });
  /** @param {number} count */
  const cold = async (count) => {
    const fleet = new Fleet(config);
    try {
      const begin = performance.now();
      const results = await Promise.all(Array.from({ length: count }, (_, at) => fleet.invoke(`r-${at}`, event)));
      const ms = performance.now() - begin;
      for (const result of results) {
        if (!result || 'error' in result) throw new Error(JSON.stringify(result?.error));
        if (JSON.parse(result.payload.toString()).statusCode !== 200) throw new Error(result.payload.toString());
      }
      return ms;
    } finally {
      await fleet.close();
    }
  };
  await cold(1); // the page cache
  const ratio = async () => {
    const one = await cold(1);
    return (await cold(4)) / one;
  };
  const { values, verdict } = await decide(7, ratio, (times) => times <= 2.5);
  const what = 'four cold environments at once, against one';
  return { what, must: '≤ 2.5 ×', value: `${figure(values, 2)} ×`, verdict };
}

/**
 * 20 at once through gateway, Function URL and spaCy, each answer compared with the known one.
 * @param {string} model @param {number} scale @returns {Promise<Row[]>}
 */
async function load(model, scale) {
  const { unanswered, wrong, answered } = await inSystem({ kind: 'load', model, seconds: 60 * scale });
  const what = `${60 * scale} s at 20 at once through the whole path`;
  return [exact(`${what}: unanswered of ${answered + unanswered}`, unanswered), exact(`${what}: wrong`, wrong)];
}

/**
 * 10,000 requests at 50 at once through the whole path, with a small function.
 * @param {number} scale @returns {Promise<Row[]>}
 */
async function memory(scale) {
  const { unanswered, wrong, heapMb, rssMb, left } = await inSystem({ kind: 'memory', requests: 10_000 * scale });
  const what = `${10_000 * scale} requests at 50 at once`;
  // Live memory after the collector, at each tenth after the warm-up of two.
  const growth = heapMb.slice(1).map((mb) => mb - (heapMb[0] ?? Number.NaN));
  const last = growth.at(-1) ?? Number.NaN;
  const resident = (rssMb.at(-1) ?? Number.NaN) - (rssMb[0] ?? Number.NaN);
  return [
    exact(`${what}: unanswered`, unanswered),
    exact(`${what}: wrong`, wrong),
    exact(`${what}: processes left`, left),
    {
      what: `${what}: growth of live memory after warm-up`,
      must: '≤ 2 MB',
      value: `${last.toFixed(1)} MB (resident: ${resident.toFixed(0)} MB)`,
      verdict: last <= 2 ? 'reached' : 'falls short',
    },
  ];
}

/**
 * Requests at 20 at once while one of the Python processes after the other is killed, at seeded moments.
 * @param {number} scale @returns {Promise<Row[]>}
 */
async function killed(scale) {
  const { unanswered, wrong, left } = await inSystem({ kind: 'kill', requests: 2000 * scale });
  const what = `${2000 * scale} requests, kill -9 every 20 ms`;
  return [
    exact(`${what}: unanswered`, unanswered),
    exact(`${what}: neither right nor 502`, wrong),
    exact(`${what}: processes left`, left),
  ];
}

/**
 * Runs the emulator and its caller in a process of their own, so that its memory is theirs.
 * @param {object} order @returns {Promise<Load>}
 */
async function inSystem(order) {
  const child = fork(system, [JSON.stringify(order)], { execArgv: ['--expose-gc'] });
  const [result] = await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(([code]) => Promise.reject(new Error(`the system under load ended with ${code}`))),
  ]);
  await once(child, 'exit');
  return result;
}

/** @param {string} what @param {number} value @returns {Row} */
function exact(what, value) {
  return { what, must: '0', value: String(value), verdict: value === 0 ? 'reached' : 'falls short' };
}
