// What the emulator survives, through the whole path: real sockets, real awslambdaric, a small handler.
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { Agent, request } from 'undici';
import { describe, expect, it } from 'vitest';
import { type EmulatorEvent, type EmulatorOptions, type LogEntry, startEmulator } from '../src/index.js';
import { exists, folderOf, later, PYTHON } from './function.js';

const KONG = path.join(import.meta.dirname, '../../../kong/kong.yaml');
const HANDLER = `
import json, os, time
open("pid-%d" % os.getpid(), "w")
def handler(event, context):
    order = json.loads(event["body"])
    time.sleep(order.get("sleep", 0))
    if "raise" in order: raise ValueError(event["body"])
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": json.dumps({"echo": order["text"]})}
`;

async function start(options: Partial<EmulatorOptions> = {}) {
  const service = folderOf({ 'burst_ner/handler.py': HANDLER });
  const events: EmulatorEvent[] = [];
  const log: LogEntry[] = [];
  const emulator = await startEmulator({
    ...{ kong: KONG, service, python: PYTHON, model: '/', env: {} },
    ...{ onEvent: (event) => void events.push(event), log: (entry) => void log.push(entry), ...options },
  });
  later(() => emulator.close());
  // One agent that lives as long as the emulator, and answers that take long are a failure and no end.
  const dispatcher = new Agent({ bodyTimeout: 30_000, headersTimeout: 30_000 });
  later(() => dispatcher.destroy());
  const apikey = emulator.keys['load-generator'];
  const post = async (order: object) => {
    const headers = { apikey, 'content-type': 'application/json' };
    const answer = await request(emulator.endpoint, {
      method: 'POST',
      headers,
      body: JSON.stringify(order),
      dispatcher,
    });
    const body = await answer.body.text();
    return { status: answer.statusCode, body };
  };
  const pids = () =>
    readdirSync(service)
      .filter((name) => name.startsWith('pid-'))
      .map((name) => Number(name.slice(4)));
  return { emulator, events, log, post, pids };
}

/** Numbers from 0 to below 1, the same for the same seed (mulberry32). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

describe('kill -9 of any Python process at any moment', () => {
  it.each([1, 2])('leaves no request without an answer, and no process (seed %i)', async (seed) => {
    const draw = random(seed);
    const { emulator, post, pids } = await start({ reserved: 6, provisioned: 1, proactive: 1 });
    let sending = true;
    const killed = new Set<number>();
    const killer = (async () => {
      while (sending) {
        await new Promise((resolve) => setTimeout(resolve, draw() * 40));
        const alive = pids().filter((pid) => !killed.has(pid) && exists(pid));
        const victim = alive[Math.floor(draw() * alive.length)];
        if (victim === undefined) continue;
        killed.add(victim);
        process.kill(victim, 'SIGKILL');
      }
    })();
    const statuses = new Map<number, number>();
    const caller = async (name: number) => {
      for (let at = 0; at < 10; at++) {
        const text = `${name}-${at}`;
        const { status, body } = await post({ text, sleep: draw() * 0.04 });
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        // An answer of success is the answer to this request.
        if (status === 200) expect(JSON.parse(body)).toEqual({ echo: text });
        else expect([status, body]).toEqual([502, 'Internal Server Error']);
      }
    };
    await Promise.all(Array.from({ length: 5 }, (_, name) => caller(name)));
    sending = false;
    await killer;
    expect([...statuses.values()].reduce((a, b) => a + b)).toBe(50);
    expect(killed.size).toBeGreaterThan(0);
    // One that has just been killed may still be handed a request; then no more.
    await expect.poll(async () => (await post({ text: 'after' })).status).toBe(200);
    await emulator.close();
    expect(pids().filter(exists)).toEqual([]);
  });
});

it('answers a thousand requests at 50 at once, and has neither key nor text in its log', async () => {
  const { emulator, events, log, post, pids } = await start({ reserved: 50 });
  const text = 'a text that nobody else may read';
  const statuses = new Map<number, number>();
  let left = 1000;
  await Promise.all(
    Array.from({ length: 50 }, async () => {
      while (left-- > 0) {
        // Some fail, since errors are where texts get out.
        const { status, body } = await post(left % 100 === 0 ? { text, raise: true } : { text });
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        if (status === 200) expect(JSON.parse(body)).toEqual({ echo: text });
      }
    }),
  );
  expect(Object.fromEntries(statuses)).toEqual({ 200: 990, 502: 10 });
  // The function's own lines are its own: its traceback quotes what it raised. The platform's are here.
  const platform = log.map(({ line }) => line).filter((line) => /^(INIT_START|START|END|REPORT)/.test(line));
  expect(platform.filter((line) => line.startsWith('REPORT'))).toHaveLength(1000);
  const told = JSON.stringify([platform, events]);
  for (const secret of [...Object.values(emulator.keys), text]) expect(told).not.toContain(secret);
  for (const secret of Object.values(emulator.keys)) expect(JSON.stringify(log)).not.toContain(secret);
  await emulator.close();
  expect(pids().filter(exists)).toEqual([]);
});
