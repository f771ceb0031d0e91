import { readdirSync } from 'node:fs';
import { describe, expect, it, vi } from 'vitest';
import { InitFailed, Throttled } from '../src/lambda/fleet.js';
import { RuntimeApi } from '../src/lambda/runtime-api.js';
import { exists, fleetOf } from './function.js';

// Waits for what the event names: so many handlers at once, or a file.
const WAIT = `
import os, time
def handler(event, context):
    pid = os.getpid()
    if "together" in event:
        open("here-%d" % pid, "w")
        while sum(f.startswith("here-") for f in os.listdir()) < event["together"]: time.sleep(0.005)
    time.sleep(event.get("sleep", 0))
    while "file" in event and not os.path.exists(event["file"]): time.sleep(0.005)
    return {"pid": pid, "init": os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"], "id": context.aws_request_id,
            "name": event.get("name")}
`;

describe('a fleet', () => {
  it('gives every environment one request at a time, the most recently used first', async () => {
    const { fleet, call } = await fleetOf(WAIT);
    const together = await Promise.all([1, 2, 3].map((name) => call({ name, together: 3 })));
    expect(new Set(together.map(({ pid }) => pid)).size).toBe(3);
    expect(together.map(({ name }) => name)).toEqual([1, 2, 3]);
    const { pid } = await call();
    for (let i = 0; i < 3; i++) expect((await call()).pid).toBe(pid);
    expect(fleet.stats).toMatchObject({ coldStarts: 3, environments: { idle: 3, busy: 0 } });
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
    const { fleet, call, invoke, touch } = await fleetOf(WAIT, {}, { reserved: 2 });
    const running = [call({ file: 'go' }), call({ file: 'go' })];
    await expect(invoke()).rejects.toThrow(Throttled);
    touch('go');
    await Promise.all(running);
    await call();
    expect(fleet.stats).toMatchObject({ requests: 3, throttled: 1 });
  });

  it('ends an environment that nobody used for a while, and none that is in use', async () => {
    const { fleet, call, events } = await fleetOf(WAIT, {}, { idleMs: 300 });
    await call();
    const { pid } = await call({ sleep: 0.6 });
    // On a slow machine the first one may have expired between the calls; the second call's is always the last.
    const environment = events.findLast((event) => event.event === 'cold start')?.environment;
    await vi.waitFor(() => expect(events).toContainEqual({ event: 'environment expired', environment }), {
      timeout: 20_000,
    });
    expect(fleet.stats.environments.idle).toBe(0);
    expect((await call()).pid).not.toBe(pid);
    await vi.waitFor(() => expect(exists(pid)).toBe(false));
  });

  it('notices that an idle environment has died', async () => {
    const { fleet, call } = await fleetOf(WAIT);
    const { pid } = await call();
    process.kill(pid, 'SIGKILL');
    await vi.waitFor(() => expect(fleet.stats.environments.idle).toBe(0));
    expect((await call()).pid).not.toBe(pid);
  });

  it('gives no request to an environment that has just died, while its sockets still close', async () => {
    const { fleet, call } = await fleetOf(WAIT);
    const { pid } = await call();
    const { end } = RuntimeApi.prototype;
    const next = new Promise<number>((resolve, reject) => {
      vi.spyOn(RuntimeApi.prototype, 'end').mockImplementationOnce(function (this: RuntimeApi, error) {
        const ended = end.call(this, error);
        expect(fleet.stats.environments.idle).toBe(1);
        call().then((answer) => resolve(answer.pid), reject);
        return ended;
      });
    });
    process.kill(pid, 'SIGKILL');
    expect(await next).not.toBe(pid);
  });

  it('uses provisioned environments first, spills over, and replaces one that died', async () => {
    const { fleet, call } = await fleetOf(WAIT);
    await fleet.provision(1);
    expect(fleet.stats).toMatchObject({ coldStarts: 0, environments: { idle: 1 } });
    const both = await Promise.all([call({ together: 2 }), call({ together: 2 })]);
    expect(both.map(({ init }) => init).sort()).toEqual(['on-demand', 'provisioned-concurrency']);
    const provisioned = await call();
    expect(provisioned['init']).toBe('provisioned-concurrency');
    expect(fleet.stats.coldStarts).toBe(1);
    process.kill(provisioned.pid, 'SIGKILL');
    await vi.waitFor(
      async () => {
        const replaced = await call();
        expect(replaced['init']).toBe('provisioned-concurrency');
        expect(replaced.pid).not.toBe(provisioned.pid);
      },
      { timeout: 20_000 },
    );
  });

  it("says why a function does not start, in the function's own words", async () => {
    const silent = await fleetOf('import sys; print("no model at /nowhere", file=sys.stderr); sys.exit(1)');
    await expect(silent.fleet.check()).rejects.toThrow(
      new InitFailed('the function does not start: no model at /nowhere'),
    );
    const raising = await fleetOf('import not_a_module');
    await expect(raising.fleet.check()).rejects.toThrow(
      /^the function does not start: .*No module named 'not_a_module'/,
    );
  });

  it('checks a function without making its first request warm', async () => {
    const { fleet, call } = await fleetOf(WAIT);
    await fleet.check();
    expect(fleet.stats.environments).toEqual({ starting: 0, busy: 0, idle: 0 });
    await call();
    expect(fleet.stats.coldStarts).toBe(1);
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
  expect(fleet.stats.environments).toEqual({ starting: 2, busy: 1, idle: 0 });
  await fleet.close();
  expect([pid, starting, child].map(exists)).toEqual([false, false, false]);
  for (const request of [...requests, invoke()]) {
    expect(await request).toMatchObject({ error: { errorType: 'Sandbox.Stopped' } });
  }
  expect(readdirSync(folder).filter((name) => name.startsWith('starting-'))).toHaveLength(1);
});
