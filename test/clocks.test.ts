// Whoever is inside must give up before whoever waits for it. Each clock is read where it is set.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { DEFAULTS } from '../packages/client/src/options.js';
import { root } from '../scripts/step.mjs';

const source = (name: string) => readFileSync(path.join(root, name), 'utf8');
const number = (text: string, pattern: RegExp) =>
  Number((pattern.exec(text)?.[1] ?? Number.NaN).toString().replaceAll('_', ''));

const kong = parse(source('kong/kong.yaml').replaceAll(/\$\{\{.*?\}\}/g, 'x')).services[0];
const environment = source('packages/emulator/src/lambda/environment.ts');
const emulator = {
  initLimitMs: number(environment, /initLimitMs = ([\d_]+)/),
  timeoutMs: number(environment, /[^t]timeoutMs = ([\d_]+)/),
};
const deadline = source('packages/service/burst_ner/deadline.py');
const handler = {
  reserveMs: 1000 * number(deadline, /^RESERVE_S = ([\d.]+)/m),
  maxWorkMs: 1000 * number(deadline, /^MAX_WORK_S = ([\d.]+)/m),
};
const lambdaTimeoutMs = 1000 * number(source('infra/variables.tf'), /variable "timeout" \{[^}]*?default\s*= (\d+)/);

test('the emulator keeps the time-outs of Lambda and of infra', () => {
  expect(emulator).toEqual({ initLimitMs: 10_000, timeoutMs: lambdaTimeoutMs });
});

test('the emulator knows what the handler keeps for its answer', () => {
  const answerMs = number(source('packages/emulator/src/index.ts'), /ANSWER_MS = ([\d_]+)/);
  expect(answerMs).toBe(handler.reserveMs);
});

test('the handler stops starting work before Lambda stops the handler', () => {
  expect(handler.reserveMs).toBeGreaterThanOrEqual(3_000);
  expect(handler.maxWorkMs + handler.reserveMs).toBeLessThan(lambdaTimeoutMs);
});

test('Kong waits for an initialisation and for the function, with 5 s to spare', () => {
  expect(kong.read_timeout).toBeGreaterThanOrEqual(emulator.initLimitMs + lambdaTimeoutMs + 5_000);
});

test('the client outlives Kong, and gives up the service only after many attempts', () => {
  expect(DEFAULTS.attemptTimeoutMs).toBeGreaterThan(kong.read_timeout);
  expect(DEFAULTS.outageMs).toBeGreaterThanOrEqual(10 * DEFAULTS.attemptTimeoutMs);
});

test('Kong does not retry: the client does, with the rate limit in view', () => {
  expect(kong.retries).toBe(0);
});
