import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { findChromium, openPage } from '../../../scripts/chromium.mjs';
import { KINDS } from '../../../scripts/paint.mjs';
import { LEAST_CONTRAST } from '../../../test/contrast.js';
import { type Emulator, type EmulatorEvent, startEmulator } from '../src/index.js';
import { type Page, startPage } from '../src/page.js';
import { Tally } from '../src/view/tally.js';
import { makeFolder, PYTHON } from './function.js';

const local = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
const KONG = local('../../../kong/kong.yaml');
/** CI keeps what is in this folder. */
const REPORTS = local('../../../.cache/reports');

// Every word in capitals is an entity of that label.
const HANDLER = `
import json, re, time
first = True
def handler(event, context):
    global first
    cold, first = first, False
    time.sleep(0.01) # no less than the parts that it tells of
    found = re.finditer(r"[A-Z_]{3,}", json.loads(event["body"])["text"])
    entities = [{"text": m[0], "label": m[0], "start_char": m.start(), "end_char": m.end()} for m in found]
    headers = {"content-type": "application/json", "x-ner-cold-start": str(int(cold)), "x-ner-init-type": "on-demand",
               "server-timing": "init;dur=30.0, load;dur=20.0, ner;dur=2.5"}
    return {"statusCode": 200, "headers": headers, "body": json.dumps({"entities": entities})}
`;
const TEXT = '😀 <b>PERSON</b> met ORG and a secret GPE';

const folder = makeFolder({ 'burst_ner/handler.py': HANDLER });
const tally = new Tally();
const events: EmulatorEvent[] = [];
const log: string[] = [];
let emulator: Emulator;
let page: Page;
beforeAll(async () => {
  emulator = await startEmulator({
    ...{ kong: KONG, service: folder, python: PYTHON, model: '/', env: {} },
    // At the start of a minute that does not end.
    now: () => Date.UTC(2026, 0, 5, 12),
    log: ({ line }) => void log.push(line),
    onEvent(event) {
      events.push(event);
      tally.add(event);
    },
  });
  page = await startPage(emulator, tally, { port: 0, reserved: 20 });
});
afterAll(async () => {
  await Promise.all([page?.close(), emulator?.close()]);
  rmSync(folder, { recursive: true });
});

/** Asks the page's server; no header but those given. */
function ask(target: string, headers: Record<string, string> = {}, body?: string) {
  const { port } = new URL(page.url);
  const agent = new Agent();
  return new Promise<{ status: number; text: string; headers: NodeJS.Dict<string | string[]> }>((resolve, reject) => {
    const options = { port, path: target, agent, method: body === undefined ? 'GET' : 'POST', headers };
    const sent = request({ host: '127.0.0.1', ...options }, async (response) => {
      let text = '';
      for await (const chunk of response) {
        text += chunk;
        // The stream of pictures does not end by itself.
        if (target === '/events') break;
      }
      agent.destroy();
      resolve({ status: response.statusCode ?? 0, text, headers: response.headers });
    });
    sent.on('error', reject).end(body);
  });
}
const JSON_TYPE = { 'content-type': 'application/json' };
const body = JSON.stringify({ text: TEXT });

describe("the page's server", () => {
  test.each([
    ['a name that leads here', '/', { host: 'rebound.example:80' }, undefined],
    ['a name that leads here, at a POST', '/ner', { ...JSON_TYPE, host: 'rebound.example' }, body],
    ['another site', '/ner', { ...JSON_TYPE, origin: 'http://other.example' }, body],
    ['another port of this machine', '/burst', { ...JSON_TYPE, origin: 'http://127.0.0.1:1' }, body],
    ['no origin at all', '/ner', { ...JSON_TYPE, origin: 'null' }, body],
    ["another site's script tag", '/events', { 'sec-fetch-site': 'cross-site' }, undefined],
    ["another port's script tag", '/page.js', { 'sec-fetch-site': 'same-site' }, undefined],
    ["another site's form", '/burst', { 'content-type': 'text/plain' }, body],
  ])('refuses %s', async (_who, target, headers, sent) => {
    const before = tally.answers;
    const { status, text } = await ask(target, headers, sent);
    expect(status).toBe(403);
    expect(JSON.parse(text)).toEqual({ error: expect.stringMatching(/^[A-Z].+\.$/) });
    expect(tally.answers).toBe(before);
  });

  test('answers its own page, by either name of this machine', async () => {
    const { port } = new URL(page.url);
    for (const name of ['127.0.0.1', 'localhost']) {
      const own = { host: `${name}:${port}`, origin: `http://${name}:${port}`, 'sec-fetch-site': 'same-origin' };
      const { status, text } = await ask('/ner', { ...own, ...JSON_TYPE }, body);
      expect(status).toBe(200);
      expect(JSON.parse(text)).toMatchObject({ status: 200, headers: { 'x-ner-init-type': 'on-demand' } });
    }
    expect((await ask('/', { 'sec-fetch-site': 'cross-site' })).status, 'a link to it').toBe(200);
    expect((await ask('/../package.json')).status).toBe(404);
    expect((await ask('/ner', JSON_TYPE, 'x'.repeat(3 * 1024 * 1024))).status).toBe(413);
  });

  test("counts as a consumer of its own, with batch-processor's limit", () => {
    const answers = events.flatMap((event) => (event.event === 'answer' ? [event] : []));
    expect(answers[0]).toMatchObject({ consumer: 'page', status: 200, limit: 100, remaining: 99 });
  });

  test('lets nothing in but its own, and gives no key away', async () => {
    const answers = await Promise.all([
      ...['/', '/page.js', '/page.css', '/icon.svg', '/events', '/nothing'].map((target) => ask(target)),
      ask('/ner', JSON_TYPE, body),
      ask('/ner', JSON_TYPE, 'no JSON'),
    ]);
    for (const { headers, text } of answers) {
      expect(headers['content-security-policy']).toMatch(/^default-src 'none'; script-src 'self';/);
      expect(headers['content-security-policy']).not.toContain('unsafe');
      for (const key of Object.values(emulator.keys)) expect(JSON.stringify(headers) + text).not.toContain(key);
    }
  });

  test('goes on when a browser leaves in the middle of a burst', async () => {
    const before = tally.answers;
    const leave = new AbortController();
    const response = await fetch(`${page.url}burst`, {
      method: 'POST',
      headers: JSON_TYPE,
      body,
      signal: leave.signal,
    });
    expect(response.status).toBe(200);
    leave.abort();
    await expect.poll(() => tally.answers).toBe(before + 20);
    expect((await ask('/')).status).toBe(200);
  });

  test("takes any free port where the one above the gateway's is taken", async () => {
    const other = await startPage(emulator, tally, { port: Number(new URL(page.url).port) - 1, reserved: 20 });
    expect(other.url).not.toBe(page.url);
    expect((await fetch(other.url)).status).toBe(200);
    await other.close();
  });

  test('tells nobody of a text', async () => {
    const said = [vi.spyOn(process.stdout, 'write'), vi.spyOn(process.stderr, 'write'), vi.spyOn(console, 'log')];
    for (const target of ['/ner', '/burst']) await ask(target, JSON_TYPE, body);
    const told = JSON.stringify([said.map((spy) => spy.mock.calls), events, log]);
    vi.restoreAllMocks();
    expect(log.join()).toContain('REPORT');
    expect(told).not.toContain('secret');
  });

  test('is at most 60 KB', () => {
    const files = readdirSync(local('../page'));
    expect(files).toContain('index.html');
    const sizes = files.map((file) => statSync(local(`../page/${file}`)).size);
    expect(sizes.reduce((sum, size) => sum + size)).toBeLessThanOrEqual(60 * 1024);
  });
});

const chromium = findChromium();
const REQUIRED = process.env['CI'] === 'true';
if (!chromium && !REQUIRED) {
  console.warn('emulator: the page is not looked at in a browser: install chromium (Debian: apt-get install chromium)');
}

describe.skipIf(!chromium && !REQUIRED)('the page in a browser', () => {
  let browser: Awaited<ReturnType<typeof openPage>>;
  const marks = () => browser.evaluate(`[...document.querySelectorAll('mark')].map((mark) => mark.textContent)`);
  const words = (id: string) => browser.evaluate(`document.getElementById('${id}').textContent`);
  const type = (text: string) =>
    browser.evaluate(`document.getElementById('text').select();
      document.execCommand('insertText', false, ${JSON.stringify(text)});
      document.getElementById('text').dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', ctrlKey: true }))`);

  beforeAll(async () => {
    expect(chromium, 'CI needs chromium on the PATH').toBeDefined();
    browser = await openPage(chromium as string, page.url);
  });
  afterAll(() => browser?.close());

  test('a text goes in, and its entities are marked in it, as text', async () => {
    await type(TEXT);
    await expect.poll(() => marks()).toEqual(['PERSONPERSON', 'ORGORG', 'GPEGPE']);
    expect(await words('marked')).toBe('😀 <b>PERSONPERSON</b> met ORGORG and a secret GPEGPE');
    expect(JSON.parse(await words('json')).entities).toHaveLength(3);
    expect(await words('outcome')).toMatch(/^3 entities in .+ ms, warm\.$/);
    expect(await words('parts')).toMatch(/^Lambda .+entities 2\.5 msKong and the rest /);
  });

  test('a label that is not wanted is not marked', async () => {
    await browser.evaluate(`document.querySelectorAll('fieldset input')[1].click()`);
    expect(await marks()).toEqual(['PERSONPERSON', 'GPEGPE']);
    expect(await words('marked')).toContain('met ORG and');
    await browser.evaluate(`document.querySelectorAll('fieldset input')[1].click()`);
    expect(await marks()).toHaveLength(3);
  });

  test('kinds have the colours of the demo', async () => {
    const labels = KINDS.flatMap(([colour, names]) => names.map((label) => [label, cube(colour)]));
    await type(labels.map(([label]) => label).join(' '));
    await expect.poll(() => marks()).toHaveLength(labels.length);
    const painted = await browser.evaluate(`[...document.querySelectorAll('mark')].map((mark) =>
      [mark.firstChild.data, getComputedStyle(mark).backgroundColor])`);
    expect(painted).toEqual(labels);
  });

  test('a burst of 20 lands, and the live view shows it', async () => {
    const before = tally.answers;
    await browser.evaluate(`document.getElementById('fire').click()`);
    await expect.poll(() => words('landed')).toMatch(/^20 answers in .+: 20 × 200; \d+ cold starts?\.$/);
    expect(await browser.evaluate(`document.querySelectorAll('#shots .cold, #shots .warm').length`)).toBe(20);
    await expect.poll(() => words('counts')).toContain(`requests${before + 20}`);
    expect(tally.answers).toBe(before + 20);
    expect(await words('budget-words')).toContain(`${tally.budget?.remaining} of 100 left · `);
    const idle = () => `0 busy○ ${emulator.environments().length} warm`;
    await expect.poll(async () => (await words('states')).includes(idle())).toBe(true);
    expect(await browser.evaluate(`document.querySelectorAll('#environments .warm').length`)).toBeGreaterThan(1);
    const [gone] = emulator.environments();
    void emulator.restart();
    await expect.poll(() => words('environments')).toContain(`· gone${gone?.id.slice(0, 8)}`);
  });

  test('every control has a name, and what comes of it is told to who does not see it', async () => {
    const nameless = `[...document.querySelectorAll('button, input, textarea, meter, [role=img], [tabindex="0"]')]
      .filter((e) => !(e.ariaLabel || e.labels?.length || e.textContent.trim() || e.getAttribute('aria-labelledby')))
      .map((e) => e.outerHTML)`;
    expect(await browser.evaluate(nameless)).toEqual([]);
    expect(await browser.evaluate(`document.querySelectorAll('[role=status], [role=alert]').length`)).toBe(3);
  });

  test.each([
    [1280, 'light'],
    [1280, 'dark'],
    [390, 'light'],
    [390, 'dark'],
  ] as const)('it fits %i pixels and can be read, %s', async (width, scheme) => {
    await browser.look({ width, scheme });
    expect(await browser.evaluate('document.documentElement.scrollWidth')).toBe(width);
    const { ratio, text } = await browser.evaluate(`(${LEAST_CONTRAST})()`);
    expect(ratio, text).toBeGreaterThanOrEqual(4.5);
    mkdirSync(REPORTS, { recursive: true });
    const picture = await browser.screenshot();
    writeFileSync(path.join(REPORTS, `emulator-page-${width}-${scheme}.png`), picture);
    expect(picture.readUInt32BE(16)).toBe(width);
  });

  test('a limit that is used up is told in a sentence', async () => {
    const fire = () => fetch(`${page.url}burst`, { method: 'POST', headers: JSON_TYPE, body });
    while (tally.budget?.remaining !== 0) await (await fire()).text();
    await type('ORG');
    await expect.poll(() => words('outcome')).toMatch(/^429: the 100 requests of this minute are used up/);
    expect(await marks()).toEqual([]);
  });

  test('it talks to its own server alone, and the browser has nothing to complain of', async () => {
    for (const address of browser.requests()) expect(address.startsWith(page.url), address).toBe(true);
    expect(browser.complaints()).toEqual([]);
    const source = await browser.evaluate('document.documentElement.outerHTML');
    for (const key of Object.values(emulator.keys)) expect(source).not.toContain(key);
  });
});

/** A colour of xterm's 256, among those of its cube. */
function cube(index: number): string {
  const level = (n: number) => (n === 0 ? 0 : 55 + n * 40);
  const at = index - 16;
  return `rgb(${level(Math.floor(at / 36))}, ${level(Math.floor(at / 6) % 6)}, ${level(at % 6)})`;
}
