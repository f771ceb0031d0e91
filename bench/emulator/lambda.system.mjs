// The whole path under load, in a process of its own: gateway, Function URL, awslambdaric, and their caller.
// `node --expose-gc lambda.system.mjs ORDER`, started by lambda.mjs; answers by process.send.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { setTimeout } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { startEmulator } from '../../packages/emulator/dist/index.js';
import { python } from '../../scripts/python.mjs';
import { root } from '../../scripts/step.mjs';
import { children } from '../processes.mjs';

/** @typedef {{ kind: 'load', model: string, seconds: number } | { kind: 'memory' | 'kill', requests: number }} Order */

// A function that costs nothing but its path.
const SMALL = `
import json
def handler(event, context):
    text = json.loads(event["body"])["text"]
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": json.dumps({"echo": text})}
`;
// Names that the model finds, and what it must find in them; checked against itself before the load begins.
const TEXTS = [
  ['Ada Lovelace lived in London.', ['Ada Lovelace', 'London']],
  ['Angela Merkel visited Tokyo on 3 May 1982.', ['Angela Merkel', 'Tokyo', '3 May 1982']],
  ['The Museum of Lisbon paid $4,000 to Marie Curie.', ['The Museum of Lisbon', '4,000', 'Marie Curie']],
];

const order = /** @type {Order} */ (JSON.parse(process.argv[2] ?? ''));
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'burst-ner-bench-'));
fs.mkdirSync(path.join(folder, 'burst_ner'));
fs.writeFileSync(path.join(folder, 'burst_ner/handler.py'), SMALL);
// The same gateway with no budget to run out of.
const kong = path.join(folder, 'kong.yaml');
fs.writeFileSync(
  kong,
  fs.readFileSync(path.join(root, 'kong/kong.yaml'), 'utf8').replace('minute: 1000', 'minute: 9000000'),
);
const emulator = await startEmulator({
  kong,
  python,
  service: order.kind === 'load' ? path.join(root, 'packages/service') : folder,
  model: order.kind === 'load' ? order.model : folder,
  reserved: order.kind === 'load' ? 20 : 50,
  env: {},
});
const dispatcher = new Agent({ connections: 50, headersTimeout: 60_000, bodyTimeout: 60_000 });
const headers = { apikey: emulator.keys['load-generator'], 'content-type': 'application/json' };
const result = {
  ...{ unanswered: 0, wrong: 0, answered: 0, left: 0 },
  heapMb: /** @type {number[]} */ ([]),
  rssMb: /** @type {number[]} */ ([]),
};

/** @param {unknown} body @param {(answer: string) => boolean} right */
async function send(body, right) {
  try {
    const answer = await request(emulator.endpoint, {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
      dispatcher,
    });
    const text = await answer.body.text();
    result.answered++;
    // What a killed process was at work on.
    if (order.kind === 'kill' && answer.statusCode === 502 && text === 'Internal Server Error') return;
    if (answer.statusCode !== 200 || !right(text)) result.wrong++;
  } catch {
    result.unanswered++;
  }
}

/** @param {number} callers @param {() => boolean} more @param {(at: number) => Promise<void>} call */
async function closedLoop(callers, more, call) {
  let at = 0;
  await Promise.all(
    Array.from({ length: callers }, async () => {
      while (more()) await call(at++);
    }),
  );
}

/** @param {number} at */
const entities = (at) => {
  // Each request has its own order of texts, so that an answer to another request is a wrong one.
  const own = [...TEXTS, ...TEXTS].slice(at % 3, (at % 3) + 1 + (at % 4));
  const expected = own.map(([, names]) => names);
  return send({ texts: own.map(([text]) => text) }, (answer) => {
    const { results } = JSON.parse(answer);
    const found = results.map((/** @type {{ entities: { text: string }[] }} */ each) =>
      each.entities.map(({ text }) => text),
    );
    return JSON.stringify(found) === JSON.stringify(expected);
  });
};

/** @param {number} at */
const echo = (at) => send({ text: `text ${at}` }, (answer) => JSON.parse(answer).echo === `text ${at}`);

function measure() {
  for (let pass = 0; pass < 3; pass++) globalThis.gc?.();
  const { heapUsed, external, rss } = process.memoryUsage();
  result.heapMb.push((heapUsed + external) / 1e6);
  result.rssMb.push(rss / 1e6);
}

/** Kills one of the Python processes every 0 to 40 ms. @param {() => boolean} more */
async function kill(more) {
  let seed = 1;
  const draw = () => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed / 2_147_483_647;
  };
  while (more()) {
    await setTimeout(draw() * 40);
    const all = children(process.pid);
    const victim = all[Math.floor(draw() * all.length)];
    try {
      if (victim !== undefined) process.kill(victim, 'SIGKILL');
    } catch {
      // It ended meanwhile.
    }
  }
}

if (order.kind === 'load') {
  await Promise.all(Array.from({ length: 20 }, (_, at) => entities(at)));
  const end = performance.now() + order.seconds * 1000;
  await closedLoop(20, () => performance.now() < end, entities);
} else if (order.kind === 'kill') {
  let left = order.requests;
  const killing = kill(() => left > 0);
  await closedLoop(20, () => left-- > 0, echo);
  await killing;
} else {
  for (let tenth = 0; tenth < 10; tenth++) {
    let left = order.requests / 10;
    await closedLoop(50, () => left-- > 0, echo);
    if (tenth > 0) measure();
  }
}
await dispatcher.close();
await emulator.close();
result.left = children(process.pid).length;
fs.rmSync(folder, { recursive: true });
process.send?.(result);
