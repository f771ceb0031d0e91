// Draws docs/report.png, the top of a report of the load test, from bursts that it fires at the emulator: the first
// finds no environment initialised, the others find all.
// Usage: node scripts/report-picture.mjs
import child_process from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import util from 'node:util';
import { findChromium, openPage } from './chromium.mjs';
import { DEFAULT_MODEL, describeModel, prepareModel } from './model.mjs';
import { python } from './python.mjs';
import { setUp } from './setup.mjs';
import { command, root, UserError } from './step.mjs';

const N = 10;
const run = util.promisify(child_process.execFile);

await command(async () => {
  const chromium = findChromium();
  if (!chromium) throw new UserError('There is no Chromium to draw with; install chromium.');
  await setUp();
  const model = await prepareModel(describeModel(DEFAULT_MODEL));
  const { startEmulator } = await import('../packages/emulator/dist/index.js');
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'burst-ner-picture-'));
  const [samples, html] = [path.join(folder, 'run.ndjson'), path.join(folder, 'report.html')];
  const emulator = await startEmulator({
    kong: path.join(root, 'kong/kong.yaml'),
    service: path.join(root, 'packages/service'),
    ...{ python, model, reserved: N, env: {} },
  });
  try {
    const env = { ...process.env, NER_API_KEY: emulator.keys['load-generator'] };
    const load = (/** @type {string[]} */ ...args) =>
      run(process.execPath, [path.join(root, 'packages/loadtest/dist/cli.js'), ...args], { env });
    console.error('  Fire 9 bursts …');
    // 90 requests: all within the gateway's limit of a minute.
    await load('run', emulator.endpoint, '-n', `${N}`, '--bursts', '9', '--every', '5s', '--out', samples);
    await load('report', samples, '--html', html);
  } finally {
    await emulator.close();
  }
  const page = await openPage(chromium, pathToFileURL(html).href);
  await page.look({ width: 800 });
  const height = await page.evaluate(
    "Math.ceil(document.querySelectorAll('section')[2].getBoundingClientRect().bottom) + 40",
  );
  await page.look({ width: 800, height });
  fs.writeFileSync(path.join(root, 'docs/report.png'), await page.screenshot({ window: true }));
  await page.close();
  fs.rmSync(folder, { recursive: true });
});
