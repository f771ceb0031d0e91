import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { RuntimeApi } from '../src/lambda/runtime-api.js';
import { exists, fleetOf } from './function.js';

const ECHO = `
import os
def handler(event, context):
    return {"pid": os.getpid()}
`;
// Does as the event says.
const OBEY = `
import os, sys, time
def handler(event, context):
    if "sleep" in event: open("asleep-%d" % os.getpid(), "w"); time.sleep(event["sleep"])
    if "exit" in event: print("last words", file=sys.stderr); os._exit(event["exit"])
    if "raise" in event: raise ValueError(event["raise"])
    if "size" in event: return "x" * (event["size"] - 2)
    return {"pid": os.getpid(), "remaining": context.get_remaining_time_in_millis()}
`;
// The first process creates a file and then does something else than initialise; the next one finds the file.
const firstInit = (python: string) => `
import os, time
if not os.path.exists("first"):
    open("first", "w")
    ${python}
${ECHO}`;

/** The first duration in a line of the platform's log. Of what was cut it includes the end of the process. */
const durationMs = (line = '') => Number(/Duration: ([\d.]+) ms/.exec(line)?.[1]);

describe('an execution environment', () => {
  it('starts cold and stays warm', async () => {
    const { fleet, call, events, lines } = await fleetOf(ECHO);
    const cold = await call();
    expect(await call()).toEqual(cold);
    expect(fleet.environments).toMatchObject([{ requests: 2, state: 'warm' }]);
    expect(events).toEqual([{ event: 'cold start', environment: expect.any(String), initMs: expect.any(Number) }]);
    const reports = lines.filter((line) => line.startsWith('REPORT'));
    expect(reports).toHaveLength(2);
    expect(reports[0]).toMatch(
      /^REPORT RequestId: \S+\tDuration: [\d.]+ ms\tBilled Duration: \d+ ms\tMemory Size: 1769 MB\t(Max Memory Used: \d+ MB\t)?Init Duration: [\d.]+ ms$/,
    );
    expect(reports[1]).not.toContain('Init Duration');
  });

  it("logs in the platform's words and order, around the function's own lines", async () => {
    const { call, fail, lines } = await fleetOf(`import os
print("importing")
def handler(event, context):
    print("handling")
    if "raise" in event: raise ValueError("boom")
    return {"pid": os.getpid()}
`);
    await call();
    await fail({ raise: true });
    const kinds = lines.map(
      (line) => /^(INIT_START Runtime Version: python:3\.|START|END|REPORT)|ing$/.exec(line)?.[0],
    );
    const request = ['START', 'ing', 'END', 'REPORT'];
    expect(kinds.filter(Boolean)).toEqual(['INIT_START Runtime Version: python:3.', 'ing', ...request, ...request]);
    const ids = lines.flatMap((line) => /^(?:START|END|REPORT) RequestId: (\S+)/.exec(line)?.[1] ?? []);
    expect(ids).toEqual([ids[0], ids[0], ids[0], ids[3], ids[3], ids[3]]);
    expect(lines.at(-1)).toMatch(/Status: error\tError Type: ValueError$/);
  });

  it("has Lambda's variables, its own, and nothing else of this process", async () => {
    process.env['BURST_NER_TEST_SECRET'] = 'not for the function';
    const { call, folder } = await fleetOf(
      `
import os
def handler(event, context):
    return {"pid": os.getpid(), "group": os.getpgrp(), "cwd": os.getcwd(), "variables": dict(os.environ),
            "arn": context.invoked_function_arn, "remaining": context.get_remaining_time_in_millis()}
`,
      { variables: { SPACY_MODEL_PATH: '/model' }, memoryMb: 1024 },
    );
    const { pid, group, variables, cwd, arn, remaining } = await call();
    delete process.env['BURST_NER_TEST_SECRET'];
    expect(variables).toMatchObject({
      AWS_EXECUTION_ENV: expect.stringMatching(/^AWS_Lambda_python3\.\d+$/),
      AWS_LAMBDA_FUNCTION_NAME: 'spacy-ner-service',
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '1024',
      AWS_LAMBDA_INITIALIZATION_TYPE: 'on-demand',
      AWS_LAMBDA_LOG_GROUP_NAME: '/aws/lambda/spacy-ner-service',
      _HANDLER: 'app.handler',
      LAMBDA_TASK_ROOT: folder,
      SPACY_MODEL_PATH: '/model',
    });
    expect(variables).not.toHaveProperty('AWS_LAMBDA_MAX_CONCURRENCY');
    expect(variables).not.toHaveProperty('BURST_NER_TEST_SECRET');
    expect(group, "a terminal's Ctrl-C would reach it").toBe(pid);
    expect(path.basename(cwd as string)).toBe(path.basename(folder));
    expect(arn).toBe('arn:aws:lambda:us-east-1:000000000000:function:spacy-ner-service:live');
    expect(remaining).toBeGreaterThan(25_000);
    expect(remaining).toBeLessThanOrEqual(30_000);
  });

  it('whose init is cut initialises again inside the first invoke', async () => {
    const { call, events, lines } = await fleetOf(firstInit('time.sleep(60)'), { initLimitMs: 2000 });
    const first = await call();
    expect(events).toMatchObject([{ event: 'init failed', error: { errorType: 'Sandbox.Timedout' } }]);
    const cut = lines.find((line) => line.startsWith('INIT_REPORT'));
    expect(cut).toMatch(/^INIT_REPORT Init Duration: \d+\.\d\d ms\tPhase: init\tStatus: timeout$/);
    expect(durationMs(cut)).toBeGreaterThanOrEqual(2000);
    const [report] = lines.filter((line) => line.startsWith('REPORT'));
    expect(report).not.toContain('Init Duration');
    expect(report).not.toContain('Status');
    expect(await call(), 'the second init did not last').toEqual(first);
  });

  it("has all of Lambda's limits divided by the time scale", async () => {
    const { fail, lines } = await fleetOf('import time; time.sleep(60)', { timeScale: 100 });
    expect(await fail()).toBe('Sandbox.Timedout: Task timed out after 0.30 seconds');
    const [init, invoke] = lines.filter((line) => line.startsWith('INIT_REPORT'));
    expect(durationMs(init)).toBeGreaterThanOrEqual(100);
    // Far from the 10 s that it would be, however slow the machine.
    expect(durationMs(init)).toBeLessThan(5000);
    expect(durationMs(invoke)).toBeGreaterThanOrEqual(300);
  });

  it('tells the function its whole time whatever the time scale, since its own clocks go on as ever', async () => {
    const tell = 'def handler(event, context): return {"left": context.get_remaining_time_in_millis()}';
    const { call } = await fleetOf(tell, { timeScale: 10, timeoutMs: 60_000 });
    expect((await call())['left']).toBeGreaterThan(50_000);
  });

  it('whose second init takes longer than the function may is a time-out', async () => {
    const { fail, lines } = await fleetOf('import time; time.sleep(60)', { initLimitMs: 200, timeoutMs: 300 });
    expect(await fail()).toBe('Sandbox.Timedout: Task timed out after 0.30 seconds');
    expect(lines).toContainEqual(expect.stringMatching(/^INIT_REPORT .*Phase: invoke\tStatus: timeout$/));
  });

  it('whose init crashes tries once more, and the next request starts anew', async () => {
    const once = await fleetOf(firstInit('os._exit(7)'));
    await once.call();
    expect(once.events).toMatchObject([
      { event: 'init failed', error: { errorMessage: 'Runtime exited with error: exit status 7' } },
    ]);
    const twice = await fleetOf('raise RuntimeError("no model")');
    expect(await twice.fail()).toBe('RuntimeError: no model');
    expect(twice.lines.filter((line) => line.startsWith('INIT_REPORT'))).toEqual([
      expect.stringMatching(/Phase: init\tStatus: error\tError Type: RuntimeError$/),
      expect.stringMatching(/Phase: invoke\tStatus: error\tError Type: RuntimeError$/),
    ]);
    writeFileSync(path.join(twice.folder, 'app.py'), ECHO);
    await twice.call();
    expect(twice.events.map(({ event }) => event)).toEqual(['init failed', 'function error', 'cold start']);
    expect(twice.fleet.environments).toMatchObject([{ requests: 1, state: 'warm' }]);
  });

  it('is killed at the time-out', async () => {
    const { call, fail, appeared, lines } = await fleetOf(OBEY, { timeoutMs: 1000 });
    expect(await fail({ sleep: 60 })).toBe('Sandbox.Timedout: Task timed out after 1.00 seconds');
    const pid = Number(await appeared('asleep-'));
    expect(exists(pid)).toBe(false);
    expect((await call()).pid).not.toBe(pid);
    const report = lines.find((line) => line.startsWith('REPORT'));
    expect(report).toMatch(/Status: timeout$/);
    expect(durationMs(report)).toBeGreaterThanOrEqual(1000);
  });

  it('that ends in a request fails that request alone', async () => {
    const { call, fail, lines } = await fleetOf(OBEY);
    const { pid } = await call();
    expect(await fail({ exit: 3 })).toBe('Runtime.ExitError: Runtime exited with error: exit status 3');
    expect(lines).toContain('last words');
    expect((await call()).pid).not.toBe(pid);
  });

  it('survives an exception and an answer that is too large', async () => {
    const { call, fail } = await fleetOf(OBEY);
    const { pid } = await call();
    expect(await fail({ raise: 'boom' })).toBe('ValueError: boom');
    expect((await call()).pid).toBe(pid);
    expect(await fail({ size: 6_291_557 })).toMatch(/^Function\.ResponseSizeTooLarge/);
    await call({ size: 6_291_556 });
  });
});

it('a runtime that has ended answers an event with the reason', async () => {
  const api = await RuntimeApi.listen();
  const error = { errorType: 'Runtime.ExitError', errorMessage: 'Runtime exited with error: signal: SIGKILL' };
  await api.end(error);
  const invocation = { requestId: 'r-1', deadlineMs: 0, functionArn: 'arn', event: '{}' };
  expect(await Promise.race([api.invoke(invocation), 'waits'])).toEqual({ error });
});

it('the compat runtime gives the same answers', async () => {
  const answers = await Promise.all(
    [false, true].map(async (compat) => {
      const { call, fail } = await fleetOf(
        `
import os
def handler(event, context):
    if "raise" in event: raise ValueError(event["raise"])
    return {"pid": 0, "event": event, "arn": context.invoked_function_arn, "function": context.function_name,
            "memory": context.memory_limit_in_mb, "init": os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"],
            "stream": context.log_stream_name == os.environ["AWS_LAMBDA_LOG_STREAM_NAME"],
            "time": 25000 < context.get_remaining_time_in_millis() <= 30000, "id": len(context.aws_request_id)}
`,
        { compat },
      );
      const broken = await fleetOf('import not_a_module', { compat });
      return [
        await call({ text: 'Zoë 🚀 \ud83d' }),
        await fail({ raise: 'é' }),
        (await broken.fail()).split(': ').at(-1),
      ];
    }),
  );
  expect(answers[1]).toEqual(answers[0]);
  expect(answers[0]?.at(-1)).toContain('not_a_module');
});
