import { readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import type { Cgroup } from '../src/lambda/cgroup.js';
import { type Fleet, InitFailed } from '../src/lambda/fleet.js';
import { RuntimeApi } from '../src/lambda/runtime-api.js';
import type { SlowStore } from '../src/lambda/slow-store.js';
import { exists, fleetOf, later } from './function.js';

// Waits for what the event names: so many handlers at once, or a file.
const WAIT = `
import os, time
ready = time.time()
def handler(event, context):
    pid = os.getpid()
    if "together" in event:
        open("here-%d" % pid, "w")
        while sum(f.startswith("here-") for f in os.listdir()) < event["together"]: time.sleep(0.005)
    time.sleep(event.get("sleep", 0))
    while "file" in event and not os.path.exists(event["file"]): time.sleep(0.005)
    return {"pid": pid, "age": time.time() - ready, "init": os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"], "id": context.aws_request_id,
            "name": event.get("name")}
`;

const states = ({ environments }: Fleet) => environments.map(({ state }) => state);
const count = (fleet: Fleet, state: string) => states(fleet).filter((each) => each === state).length;

describe('a fleet', () => {
  it('gives every environment one request at a time, the most recently used first', async () => {
    const { fleet, call } = await fleetOf(WAIT);
    const together = await Promise.all([1, 2, 3].map((name) => call({ name, together: 3 })));
    expect(new Set(together.map(({ pid }) => pid)).size).toBe(3);
    expect(together.map(({ name }) => name)).toEqual([1, 2, 3]);
    const { pid } = await call();
    for (let i = 0; i < 3; i++) expect((await call()).pid).toBe(pid);
    expect(states(fleet)).toEqual(['warm', 'warm', 'warm']);
  });

  it('starts as many processes at once as it may, and every start serves the request that caused it', async () => {
    const { call } = await fleetOf(
      `
import os, time
others = [f for f in os.listdir() if f.startswith("init-")]
open("init-%d" % os.getpid(), "w")
time.sleep(0.1)
os.remove("init-%d" % os.getpid())
first = True
${WAIT.replace('"name"', '"others": others, "name"')}`,
      {},
      { startsAtOnce: 1 },
    );
    const answers = await Promise.all([1, 2, 3].map((name) => call({ name, together: 3 })));
    expect(answers.map(({ others }) => others)).toEqual([[], [], []]);
    expect(answers.map(({ name }) => name)).toEqual([1, 2, 3]);
    expect(new Set(answers.map(({ pid }) => pid)).size).toBe(3);
  });

  it('throttles what is over its reserved concurrency', async () => {
    const { fleet, call, invoke, touch, events } = await fleetOf(WAIT, {}, { reserved: 2 });
    const running = [call({ file: 'go' }), call({ file: 'go' })];
    expect(await invoke()).toBeUndefined();
    touch('go');
    await Promise.all(running);
    await call();
    expect(fleet.environments.reduce((sum, { requests }) => sum + requests, 0)).toBe(3);
    expect(events.filter(({ event }) => event === 'throttled')).toHaveLength(1);
  });

  it('keeps an idle environment for as long as a timer can wait, where it is told to keep it longer', async () => {
    const { call, events } = await fleetOf(WAIT, {}, { idleMs: 30 * 86_400_000 });
    const { pid } = await call();
    // Node's own timer would have ended by now.
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect((await call()).pid).toBe(pid);
    expect(events.filter(({ event }) => event === 'environment expired')).toEqual([]);
  });

  it('ends an environment that nobody used for a while, and none that is in use', async () => {
    const { fleet, call, events } = await fleetOf(WAIT, {}, { idleMs: 300 });
    await call();
    const { pid } = await call({ sleep: 0.6 });
    // On a slow machine the first one may have expired between the calls; the second call's is always the last.
    const environment = events.findLast((event) => event.event === 'cold start')?.environment;
    await expect.poll(() => events).toContainEqual({ event: 'environment expired', environment });
    expect(states(fleet)).toEqual([]);
    expect((await call()).pid).not.toBe(pid);
    await expect.poll(() => exists(pid)).toBe(false);
  });

  it('notices that an idle environment has died', async () => {
    const { fleet, call, events } = await fleetOf(WAIT);
    const { pid } = await call();
    process.kill(pid, 'SIGKILL');
    await expect.poll(() => states(fleet)).toEqual([]);
    expect(events.at(-1)?.event).toBe('environment lost');
    expect((await call()).pid).not.toBe(pid);
  });

  it('gives no request to an environment that has just died, while its sockets still close', async () => {
    const { fleet, call } = await fleetOf(WAIT);
    const { pid } = await call();
    const { end } = RuntimeApi.prototype;
    const next = new Promise<number>((resolve, reject) => {
      vi.spyOn(RuntimeApi.prototype, 'end').mockImplementationOnce(function (this: RuntimeApi, error) {
        const ended = end.call(this, error);
        expect(states(fleet)).toEqual(['warm']);
        call().then((answer) => resolve(answer.pid), reject);
        return ended;
      });
    });
    process.kill(pid, 'SIGKILL');
    expect(await next).not.toBe(pid);
  });

  it('uses provisioned environments first, spills over, and replaces one that died', async () => {
    const { fleet, call, events } = await fleetOf(WAIT, {}, { provisioned: 1 });
    await fleet.start();
    expect(states(fleet)).toEqual(['warm']);
    const both = await Promise.all([call({ together: 2 }), call({ together: 2 })]);
    expect(both.map(({ init }) => init).sort()).toEqual(['on-demand', 'provisioned-concurrency']);
    const provisioned = await call();
    expect(provisioned['init']).toBe('provisioned-concurrency');
    expect(events.filter(({ event }) => event === 'cold start')).toHaveLength(1);
    process.kill(provisioned.pid, 'SIGKILL');
    const replaced = async () => {
      const { init, pid } = await call();
      return [init, pid === provisioned.pid];
    };
    await expect.poll(replaced).toEqual(['provisioned-concurrency', false]);
  });

  it('keeps environments initialised ahead of need, whose type is on-demand and whose first request comes late', async () => {
    const options = { proactive: 1, idleMs: 200 };
    // A cut at 10 s would be at 0.5 s.
    const { fleet, call, events } = await fleetOf(`import time; time.sleep(0.7)\n${WAIT}`, { timeScale: 20 }, options);
    await fleet.start();
    const unused = () => fleet.environments.filter(({ requests }) => requests === 0);
    expect(unused()).toMatchObject([{ state: 'warm', ahead: true, initType: 'on-demand' }]);
    // It outlives the idle expiry, which here is 10 ms.
    await new Promise((resolve) => setTimeout(resolve, 300));
    const first = await call();
    expect(first['init']).toBe('on-demand');
    expect(first['age']).toBeGreaterThan(0.25);
    expect(events.map(({ event }) => event)).not.toContain('cold start');
    await expect.poll(() => unused()).toHaveLength(1);
    const [next] = unused();
    await expect.poll(() => unused()).toMatchObject([{ state: 'warm' }]);
    expect(events.filter(({ event }) => event === 'initialised ahead')).toHaveLength(2);
    expect(events).toContainEqual(expect.objectContaining({ event: 'initialised ahead', environment: next?.id }));
  });

  it('prefers a used environment to one kept ahead, and replaces one of those that died', async () => {
    const { fleet, call, events } = await fleetOf(WAIT, {}, { proactive: 1 });
    await fleet.start();
    const { pid } = await call();
    const kept = () => fleet.environments.filter(({ requests, state }) => requests === 0 && state === 'warm');
    await expect.poll(() => kept()).toHaveLength(1);
    expect((await call()).pid).toBe(pid);
    const [both] = await Promise.all([call({ together: 2 }), call({ together: 2 })]);
    expect(events.map(({ event }) => event)).not.toContain('cold start');
    await expect.poll(() => kept()).toHaveLength(1);
    expect(both.pid).toBeGreaterThan(0);
  });

  it('replaces every environment: idle ones at once, a busy one after its request, those ahead of need at once', async () => {
    const { fleet, call, touch, appeared, events } = await fleetOf(WAIT, {}, { provisioned: 1, proactive: 1 });
    await fleet.start();
    const busy = call({ file: 'go', together: 1 });
    await appeared('here-');
    // Of the three that are ready, one was initialised on demand.
    const [first, second] = await Promise.all([call({ together: 3 }), call({ together: 3 })]);
    await expect.poll(() => count(fleet, 'warm')).toBe(3);
    const old = fleet.environments.map(({ id }) => id);
    expect(old).toHaveLength(4);

    await fleet.restart();
    expect(events.findLast(({ event }) => event === 'restart')).toEqual({ event: 'restart', environments: 4 });
    expect([first.pid, second.pid].map(exists)).toEqual([false, false]);
    expect([count(fleet, 'busy'), count(fleet, 'warm')]).toEqual([1, 2]);
    const fresh = fleet.environments.filter(({ id }) => !old.includes(id));
    expect(fresh.map(({ state, ahead, initType }) => [state, ahead, initType]).sort()).toEqual([
      ['warm', true, 'on-demand'],
      ['warm', true, 'provisioned-concurrency'],
    ]);

    touch('go');
    const { pid } = await busy;
    await expect.poll(() => exists(pid)).toBe(false);
    expect((await call()).pid).not.toBe(pid);
    expect(fleet.environments.filter(({ id }) => old.includes(id))).toEqual([]);
    expect(fleet.environments.filter(({ initType }) => initType !== 'on-demand')).toHaveLength(1);
  });

  it('ends what was initialising when it was replaced', async () => {
    const { fleet, folder, call, touch, appeared } = await fleetOf(
      `import os, time\nwhile os.path.exists("hold"): open("held", "w"); time.sleep(0.005)\n${WAIT}`,
      {},
      { provisioned: 1 },
    );
    touch('hold');
    const onDemand = call();
    await appeared('held');
    const ahead = fleet.start();
    const restarting = fleet.restart();
    rmSync(path.join(folder, 'hold'));
    const { pid } = await onDemand;
    await Promise.all([ahead, restarting]);
    await expect.poll(() => exists(pid)).toBe(false);
    expect(fleet.environments.map(({ state, initType }) => [state, initType])).toEqual([
      ['warm', 'provisioned-concurrency'],
    ]);
  });

  it('says what each environment is doing', async () => {
    const { fleet, folder, call, touch, appeared } = await fleetOf(
      `import os, time\nwhile os.path.exists("hold"): open("held", "w"); time.sleep(0.005)\n${WAIT}`,
    );
    const states = () => fleet.environments.map(({ state, requests, ahead }) => [state, requests, ahead]);
    const busy = call({ together: 1, file: 'go' });
    await appeared('here-');
    touch('hold');
    const cold = call();
    await appeared('held');
    expect(states()).toEqual([
      ['busy', 1, false],
      ['cold', 0, false],
    ]);
    expect(fleet.environments[0]).toMatchObject({ initMs: expect.any(Number), ageMs: expect.any(Number) });
    if (process.platform === 'linux') expect(fleet.environments[0]?.rssMb).toBeGreaterThan(5);
    rmSync(path.join(folder, 'hold'));
    touch('go');
    await Promise.all([busy, cold]);
    expect(states().map(([state]) => state)).toEqual(['warm', 'warm']);
  });

  it("says why a function does not start, in the function's own words", async () => {
    const silent = await fleetOf('import sys; print("no model at /nowhere", file=sys.stderr); sys.exit(1)');
    await expect(silent.fleet.start()).rejects.toMatchObject({
      name: InitFailed.name,
      message: 'the function does not start: no model at /nowhere',
    });
    const raising = await fleetOf('import not_a_module');
    await expect(raising.fleet.start()).rejects.toThrow(
      /^the function does not start: .*No module named 'not_a_module'/,
    );
  });

  it.each<[string, Partial<SlowStore>, RegExp]>([
    [
      'forget the model',
      { forget: () => Promise.reject(new Error('no such store')) },
      /^Sandbox.NotStarted: no such store$/,
    ],
    [
      'bound a process',
      { forget: async () => {}, group: { procs: '/no such store/cgroup.procs' } as Cgroup },
      /^Runtime.ExitError: Runtime exited with error: exit status \d+$/,
    ],
  ])('answers with a function error when its store cannot %s, and keeps no environment', async (_, broken, said) => {
    const { fleet, fail, events } = await fleetOf(WAIT, { store: broken as SlowStore });
    expect(await fail()).toMatch(said);
    expect(events).toMatchObject([{ event: 'init failed' }, { event: 'function error' }]);
    expect(fleet.environments).toEqual([]);
    await expect(fleet.start()).rejects.toThrow('no such store');
    expect(fleet.environments).toEqual([]);
  });

  it('answers with a function error when a Runtime API cannot listen, and closes all the same', async () => {
    const { fleet, call, fail } = await fleetOf(WAIT);
    const listen = vi.spyOn(RuntimeApi, 'listen').mockRejectedValue(new Error('too many open files'));
    later(() => listen.mockRestore());
    expect(await fail()).toBe('Sandbox.NotStarted: too many open files');
    expect(fleet.environments).toEqual([]);
    listen.mockRestore();
    const { pid } = await call();
    await fleet.close();
    expect(exists(pid)).toBe(false);
  });

  it('checks a function without making its first request warm', async () => {
    const { fleet, call, events } = await fleetOf(WAIT);
    await fleet.start();
    expect(states(fleet)).toEqual([]);
    await call();
    expect(events.map(({ event }) => event)).toEqual(['cold start']);
  });
});

it('closes while environments are busy, starting and waiting to start, and leaves no process', async () => {
  const { fleet, folder, call, invoke, touch, appeared } = await fleetOf(
    `
import os, subprocess, time
if os.path.exists("slow"):
    child = subprocess.Popen(["sleep", "60"])
    open("starting-%d-%d" % (os.getpid(), child.pid), "w")
    time.sleep(60)
${WAIT}`,
    {},
    { startsAtOnce: 1 },
  );
  const { pid } = await call();
  touch('slow');
  const requests = [invoke({ file: 'never' }), invoke(), invoke()];
  const [starting = 0, child = 0] = (await appeared('starting-')).split('-').map(Number);
  expect([pid, starting, child].map(exists)).toEqual([true, true, true]);
  expect(states(fleet)).toEqual(['busy', 'cold', 'cold']);
  await fleet.close();
  expect([pid, starting, child].map(exists)).toEqual([false, false, false]);
  for (const request of [...requests, invoke()]) {
    expect(await request).toMatchObject({ error: { errorType: 'Sandbox.Stopped' } });
  }
  expect(readdirSync(folder).filter((name) => name.startsWith('starting-'))).toHaveLength(1);
});
