import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { planCommand } from '../src/cli/plan.js';
import { PRICES } from '../src/plan/cost.js';
import { Recorder } from '../src/run/run-file.js';
import type { Sample } from '../src/run/sample.js';
import { INFO, sample } from './report/run.js';

afterEach(() => {
  process.exitCode = undefined;
  vi.restoreAllMocks();
});

/** What the command writes on standard output. */
async function planned(...args: string[]): Promise<string> {
  let text = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    text += chunk;
    return true;
  });
  await planCommand()
    .exitOverride()
    .configureOutput({ writeErr: () => {} })
    .parseAsync(args, { from: 'user' });
  return text;
}

const temporary = (name: string) => path.join(mkdtempSync(path.join(tmpdir(), 'burst-ner-plan-')), name);

function runFile(...samples: Sample[]): string {
  const name = temporary('run.ndjson');
  const file = new Recorder(INFO, name);
  file.samples(samples);
  file.end('complete');
  return name;
}

const ID = '11111111-2222-4333-8444-555555555555';
const cold = sample(3000, { start: 'cold', initMs: 2000, lambdaRequestId: ID });

test('a plan of every n with every number of provisioned environments, in words and in JSON', async () => {
  const file = runFile(sample(100), cold);
  const text = await planned(file, '--n', '10,20', '--provisioned', '0,5');
  expect(text).toContain('From 1 cold and 1 warm answers: one burst of 20 to http://127.0.0.1:8000/nlp/ner');
  expect(text.match(/^ ?(10|20) +[05] .+/gm)).toHaveLength(3 * 4);
  const { rows, prices } = JSON.parse(await planned(file, '--n', '10', '--provisioned', '5', '--json'));
  expect(rows).toMatchObject([{ n: 10, provisioned: 5, reserved: 50, p95: { value: 3000 } }]);
  expect(prices).toEqual({ date: PRICES.date, region: 'us-east-1' });
  expect(process.exitCode ?? 0).toBe(0);
});

test('--html draws the first run with the plan', async () => {
  const html = temporary('plan.html');
  await planned(runFile(sample(100), cold), '--html', html, '--n', '20,100');
  expect(readFileSync(html, 'utf8')).toMatch(/^<!doctype html>.*<h2>What if<\/h2>.*100 at once/s);
});

test('--documents asks the client itself how long it takes', async () => {
  const file = runFile(sample(130, { nerMs: 92, characters: 92 }), cold);
  const asked = ['--documents', '2000', '--characters', '1000', '--limit', '100', '--json'];
  const { documents } = JSON.parse(await planned(file, ...asked));
  // A ms a character: two million are 2,000 s of work for five at once, which the limit does not hold up.
  expect(documents).toMatchObject({ documents: 2000, characters: 1000, perCharacterMs: 1, perRequestMs: 38 });
  expect(documents.requests).toBeGreaterThan(500);
  for (const seconds of documents.seconds) expect(seconds).toBeGreaterThan(400);
  for (const seconds of documents.seconds) expect(seconds).toBeLessThan(480);
  expect(await planned(file, ...asked.slice(0, -1))).toMatch(
    /^2,000 documents of 1,000 characters: \d min .* requests, 5 at once/m,
  );
  await expect(planned(runFile(sample(100), cold), '--documents', '5')).rejects.toThrow(
    '--documents needs warm answers',
  );
});

test('--prices takes what --print-prices prints', async () => {
  const prices = temporary('prices.json');
  writeFileSync(prices, (await planned('--print-prices')).replaceAll('us-east-1', 'eu-west-1'));
  expect(await planned(runFile(sample(100), cold), '--prices', prices)).toContain('Prices of eu-west-1');
});

test('--report-log says what was billed', async () => {
  const log = temporary('report.log');
  const times =
    'Duration: 100.00 ms\tBilled Duration: 1000 ms\tMemory Size: 2048 MB\tMax Memory Used: 130 MB\tInit Duration: 900.00 ms';
  writeFileSync(log, `REPORT RequestId: ${ID}\t${times}\t\n`);
  const dollars = async (...args: string[]) => {
    const file = runFile(sample(100, { lambdaRequestId: ID }), cold);
    return JSON.parse(await planned(file, '--json', '--n', '20', ...args)).rows[0].dollarsAMonth.onDemand;
  };
  expect(await dollars('--report-log', log)).toBeLessThan(0.4 * (await dollars()));
});

test('what cannot be planned is one sentence', async () => {
  const good = runFile(sample(100), cold);
  await expect(planned()).rejects.toThrow('Give the file of a run');
  await expect(planned(runFile(sample(100)))).rejects.toThrow('The run has no cold answer to plan from');
  await expect(planned(good, path.relative('', good))).rejects.toThrow('A run is given twice; give each file once.');
  await expect(planned(good, '--provisioned', '51')).rejects.toThrow('is above reserved concurrency 50');
  await expect(planned(good, '--n', '20,x')).rejects.toThrow('give a whole number');
  await expect(planned(good, '--memory', '512,1024,512')).rejects.toThrow('give each number once');
  await expect(planned(good, '--region', 'eu-west-1', '--prices', 'x')).rejects.toThrow('cannot be used with');
  await expect(planned(good, '--hours-a-day', '25')).rejects.toThrow('give hours, above 0 and up to 24.');
});
