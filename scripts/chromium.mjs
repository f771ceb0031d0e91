// A real browser for what only a browser can tell: Chromium without a window, by its DevTools protocol over a pipe
// (https://chromedevtools.github.io/devtools-protocol/). Five calls are used, which a library would only wrap.
import child_process from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
const MAC = '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome';

/** Where Chromium or Chrome is; undefined where there is none. */
export function findChromium() {
  const folders = (process.env['PATH'] ?? '').split(path.delimiter);
  const candidates = folders.flatMap((folder) => NAMES.map((name) => path.join(folder, name)));
  return [...candidates, MAC].find((file) => fs.existsSync(file));
}

/**
 * How a page is looked at.
 * @typedef {object} View
 * @property {number} width of the window, CSS pixels
 * @property {number} [height]
 * @property {'light' | 'dark'} [scheme] what the reader prefers; light when not given
 * @property {'screen' | 'print'} [media]
 */

/**
 * A page of a file, in a browser of its own. `close` it.
 * @param {string} program from findChromium
 * @param {string} url
 */
export async function openPage(program, url) {
  const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'burst-ner-chromium-'));
  const flags = ['--headless', '--remote-debugging-pipe', `--user-data-dir=${profile}`, '--hide-scrollbars'];
  // It refuses its sandbox to root, who is the user of most containers; it only ever opens our own file.
  if (process.getuid?.() === 0) flags.push('--no-sandbox');
  const child = child_process.spawn(program, [...flags, 'about:blank'], {
    stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
  });
  const pipe = new Pipe(child);
  const { targetInfos } = await pipe.send('Target.getTargets');
  const { targetId } = targetInfos.find((/** @type {{ type: string }} */ { type }) => type === 'page');
  const { sessionId } = await pipe.send('Target.attachToTarget', { targetId, flatten: true });
  const send = (/** @type {string} */ method, params = {}) => pipe.send(method, params, sessionId);
  await Promise.all([send('Page.enable'), send('Network.enable'), send('Log.enable')]);
  const loaded = pipe.once('Page.loadEventFired');
  await send('Page.navigate', { url });
  await loaded;
  return {
    /** Addresses that the page asked for, its own first. */
    requests: () => pipe.seen('Network.requestWillBeSent').map(({ request }) => request.url),
    /** What the browser complains of, such as a breach of the page's policy. */
    complaints: () => pipe.seen('Log.entryAdded').map(({ entry }) => entry.text),
    /** @param {View} view */
    async look({ width, height = 900, scheme = 'light', media = 'screen' }) {
      await send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: false });
      const features = [{ name: 'prefers-color-scheme', value: scheme }];
      await send('Emulation.setEmulatedMedia', { media, features });
    },
    /** @param {string} expression of JavaScript, evaluated in the page @returns {Promise<any>} its value */
    async evaluate(expression) {
      const { result, exceptionDetails } = await send('Runtime.evaluate', { expression, returnByValue: true });
      if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
      return result.value;
    },
    /** @param {{ window?: boolean }} [options] what the window shows, not the whole page @returns {Promise<Buffer>} PNG */
    async screenshot({ window = false } = {}) {
      const { data } = await send('Page.captureScreenshot', { captureBeyondViewport: !window, format: 'png' });
      return Buffer.from(data, 'base64');
    },
    async close() {
      const ended = new Promise((resolve) => child.once('close', resolve));
      pipe.send('Browser.close').catch(() => {});
      await ended;
      fs.rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** JSON messages, each ended by a zero byte; Chromium reads from descriptor 3 and writes to 4. */
class Pipe {
  /** @type {Map<number, { resolve: (result: any) => void, reject: (error: Error) => void }>} */
  #waiting = new Map();
  /** @type {{ method: string, params: any }[]} */
  #events = [];
  /** @type {Map<string, () => void>} */
  #once = new Map();
  /** @type {import('node:stream').Writable} */
  #out;
  #id = 0;

  /** @param {child_process.ChildProcess} child */
  constructor(child) {
    this.#out = /** @type {import('node:stream').Writable} */ (child.stdio[3]);
    // Ends with the browser, which the calls that wait are told of.
    this.#out.on('error', () => {});
    const from = /** @type {import('node:stream').Readable} */ (child.stdio[4]);
    let rest = '';
    from.setEncoding('utf8').on('data', (chunk) => {
      const messages = (rest + chunk).split('\0');
      rest = messages.pop() ?? '';
      for (const message of messages) this.#receive(JSON.parse(message));
    });
    const end = (/** @type {unknown} */ why) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`Chromium ended (${why}).`));
      this.#waiting.clear();
    };
    child.once('error', end).once('close', end);
  }

  /** @param {string} method @param {object} [params] @param {string} [sessionId] @returns {Promise<any>} */
  send(method, params = {}, sessionId = undefined) {
    const id = ++this.#id;
    this.#out.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  /** @param {string} method @returns {Promise<void>} when the next such event comes */
  once(method) {
    return new Promise((resolve) => this.#once.set(method, resolve));
  }

  /** @param {string} method @returns {any[]} the parameters of each such event so far */
  seen(method) {
    return this.#events.filter((event) => event.method === method).map(({ params }) => params);
  }

  /** @param {{ id?: number, method?: string, params?: object, result?: object, error?: { message: string } }} message */
  #receive({ id, method, params, result, error }) {
    if (method !== undefined) {
      this.#events.push({ method, params });
      this.#once.get(method)?.();
      return;
    }
    const waiting = this.#waiting.get(id ?? 0);
    this.#waiting.delete(id ?? 0);
    if (error) waiting?.reject(new Error(error.message));
    else waiting?.resolve(result);
  }
}
