import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findChromium, openPage } from '../../../../scripts/chromium.mjs';
import { LEAST_CONTRAST } from '../../../../test/contrast.js';
import { htmlReport } from '../../src/report/html.js';
import { summarise } from '../../src/statistics/summary.js';
import { bursts, PLAN, run, sample } from './run.js';

const chromium = findChromium();
const REQUIRED = process.env['CI'] === 'true';
if (!chromium && !REQUIRED) {
  console.warn(
    'loadtest: the report is not looked at in a browser: install chromium (Debian: apt-get install chromium)',
  );
}
/** CI keeps what is in this folder. */
const REPORTS = fileURLToPath(new URL('../../../../.cache/reports', import.meta.url));

describe.skipIf(!chromium && !REQUIRED)('the page in a browser', () => {
  const folder = mkdtempSync(join(tmpdir(), 'burst-ner-page-'));
  let page: Awaited<ReturnType<typeof openPage>>;

  beforeAll(async () => {
    expect(chromium, 'CI needs chromium on the PATH').toBeDefined();
    const samples = [
      ...bursts(8, 20, { cold: 12, refused: 2 }),
      // A long word must not widen the page, nor a sample's words become markup.
      sample(0, {
        outcome: 'connection-error',
        error: `<img src=//127.0.0.1:9/x>${'x'.repeat(300)}`,
        lastByteMs: null,
      }),
      sample(0, { outcome: 'timeout', lastByteMs: null, start: 'unknown' }),
      ...[30, 40, 50, 60, 70, 80].map((ms) => sample(ms, { start: 'ahead' })),
    ];
    const labels = { ['name'.repeat(60)]: 'text'.repeat(60) };
    const measured = run(samples, { bursts: 8, everyMs: 61_000, cold: 'restart', labels });
    const file = join(folder, 'report.html');
    writeFileSync(file, htmlReport(measured, summarise(measured.samples, 'sent', measured.bursts), PLAN));
    page = await openPage(chromium as string, pathToFileURL(file).href);
  });
  afterAll(async () => {
    await page?.close();
    rmSync(folder, { recursive: true });
  });

  test('it asks for nothing, runs nothing, and the browser has nothing to complain of', async () => {
    expect(page.requests()).toHaveLength(1);
    expect(page.complaints()).toEqual([]);
    expect(await page.evaluate('document.scripts.length')).toBe(0);
    expect(await page.evaluate('document.title')).toMatch(/^cold 1\.\d\d s, ahead 50\.0 ms, warm .+ · 8 bursts of 20/);
  });

  test.each([
    [1280, 'wide'],
    [360, 'narrow'],
  ])('nothing overflows at %i pixels, and the figures are those for it', async (width, shown) => {
    await page.look({ width });
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
    expect(await page.evaluate(OUTSIDE)).toEqual([]);
    const drawn = await page.evaluate(
      `[...document.querySelectorAll('svg')].filter((svg) => svg.getBoundingClientRect().width > 0).map((svg) => svg.classList.contains('${shown}'))`,
    );
    expect(drawn).toEqual([true, true, true, true]);
  });

  test('text can be read in both colour schemes, which differ', async () => {
    const papers = [];
    for (const scheme of ['light', 'dark'] as const) {
      await page.look({ width: 1280, scheme });
      papers.push(await page.evaluate('getComputedStyle(document.body).backgroundColor'));
      const { ratio, text } = await page.evaluate(`(${LEAST_CONTRAST})()`);
      expect(ratio, `${scheme}: ${text}`).toBeGreaterThanOrEqual(4.5);
      expect(ratio).toBeLessThan(22);
    }
    expect(papers[0]).not.toBe(papers[1]);
  });

  test('on paper nothing is cut off, and the figures are the large ones', async () => {
    await page.look({ width: 700, media: 'print' });
    expect(await page.evaluate("getComputedStyle(document.querySelector('svg.wide')).display")).toBe('block');
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(700);
  });

  test('it is kept as it looks', async () => {
    mkdirSync(REPORTS, { recursive: true });
    const pictures: Buffer[] = [];
    for (const [width, scheme] of [
      [1000, 'light'],
      [1000, 'dark'],
      [390, 'light'],
      [390, 'dark'],
    ] as const) {
      await page.look({ width, scheme });
      const file = join(REPORTS, `loadtest-report-${width}-${scheme}.png`);
      const picture = Buffer.from(await page.screenshot());
      writeFileSync(file, picture);
      // Width and height stand in a PNG's first chunk.
      expect(picture.readUInt32BE(16) % width, file).toBe(0);
      expect(picture.readUInt32BE(20)).toBeGreaterThan(width);
      expect(
        pictures.some((other) => other.equals(picture)),
        'each looks different',
      ).toBe(false);
      pictures.push(picture);
    }
  });
});

/** What sticks out of the page, or out of the box that scrolls it. */
const OUTSIDE = `[...document.querySelectorAll('body *')]
  .filter((element) => !element.closest('.scroll table'))
  .filter((element) => {
    const { left, right, width } = element.getBoundingClientRect();
    return width > 0 && (left < -0.5 || right > innerWidth + 0.5);
  })
  .map((element) => element.outerHTML.slice(0, 200))`;
