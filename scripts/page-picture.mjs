// Draws docs/page.png: the page of `npm run local` after one text and one burst.
// Usage: node scripts/page-picture.mjs
import child_process from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import readline from 'node:readline';
import timers from 'node:timers/promises';
import { findChromium, openPage } from './chromium.mjs';
import { command, root, UserError } from './step.mjs';

const WIDTH = 1280;

await command(async () => {
  const chromium = findChromium();
  if (!chromium) throw new UserError('There is no Chromium to draw with; install chromium.');
  const local = child_process.spawn(
    process.execPath,
    [path.join(root, 'scripts/local.mjs'), '--port', '0', '--json', ...process.argv.slice(2)],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const ended = new Promise((resolve) => local.once('close', resolve));
  const lines = readline.createInterface({ input: local.stdout });
  const ready = await Promise.race([new Promise((resolve) => lines.once('line', resolve)), ended]);
  if (typeof ready !== 'string') throw new UserError('npm run local did not start; its own message stands above.');
  const page = await openPage(chromium, JSON.parse(ready).page);
  await page.look({ width: WIDTH });
  for (const [button, done] of [
    ['find', "document.querySelector('mark')"],
    ['fire', "/^20 answers/.test(document.getElementById('landed').textContent)"],
    // The view is five times a second: this burst is in it.
    ['live', "/^21 answers/.test(document.getElementById('seconds-words').textContent)"],
  ]) {
    await page.evaluate(`document.getElementById('${button}').click()`);
    while (!(await page.evaluate(`Boolean(${done})`))) await timers.setTimeout(50);
  }
  fs.writeFileSync(path.join(root, 'docs/page.png'), await page.screenshot());
  await page.close();
  local.kill('SIGINT');
  await ended;
});
