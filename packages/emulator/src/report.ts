import type { Emulator, EmulatorEvent } from './index.js';
import { sentence } from './news.js';
import { Screen } from './screen.js';
import { Tally } from './tally.js';
import { frame, summary } from './view.js';

/** What a running emulator prints, in one of three ways. */
export interface Report {
  event(event: EmulatorEvent): void;
  ready(emulator: Emulator): void;
  /** The end has begun. */
  stopping(): void;
}

const FRAME_MS = 200;

/** One JSON object a line. */
export function jsonReport(): Report {
  const print = (value: object) => console.log(JSON.stringify(value));
  return {
    event: print,
    ready({ endpoint, functionUrl, runtime, keys, generatedKeys }) {
      const made = Object.fromEntries(generatedKeys.map((name) => [name, keys[name]]));
      print({ event: 'ready', endpoint, functionUrl: functionUrl.url, runtime, keys: made });
    },
    stopping() {},
  };
}

/** Plain lines. */
export function lineReport(): Report {
  console.log('Starting …');
  return {
    event(event) {
      const line = sentence(event);
      if (line) console.log(line);
    },
    ready: (emulator) => console.log(welcome(emulator)),
    stopping: () => console.log('Stopping …'),
  };
}

/**
 * A live view on the terminal.
 *
 * @param reserved concurrency, to be shown
 * @param stop what Ctrl-C and q do
 */
export function viewReport(reserved: number, stop: () => void): Report {
  const { stdout, stdin } = process;
  const tally = new Tally();
  const started = performance.now();
  let close = () => {};
  console.log('Starting …');
  return {
    event: (event) => tally.add(event),
    ready(emulator) {
      // What is to be copied stays on the ordinary screen, too.
      console.log(welcome(emulator));
      const screen = new Screen(stdout);
      const draw = () => {
        const picture = {
          ...{ endpoint: emulator.endpoint, key: keyOf(emulator), runtime: emulator.runtime, reserved, tally },
          ...{ upMs: performance.now() - started, now: Date.now(), environments: emulator.environments() },
        };
        const { columns = 80, rows = 24 } = stdout;
        // The last column stays free: erasing the rest of a line would take what stands there.
        screen.show(frame(picture, { columns: columns - 1, rows, colour: !process.env['NO_COLOR'] }));
      };
      const resize = () => {
        screen.clear();
        draw();
      };
      // So that what is typed is not shown. Ctrl-C is then a character and no signal.
      const type = (typed: Buffer) => ['\x03', 'q'].some((key) => typed.includes(key)) && stop();
      if (stdin.isTTY) stdin.setRawMode(true).on('data', type);
      stdout.on('resize', resize);
      const timer = setInterval(draw, FRAME_MS);
      draw();
      close = () => {
        clearInterval(timer);
        stdout.off('resize', resize);
        if (stdin.isTTY) stdin.setRawMode(false).off('data', type).pause();
        screen.close();
        console.log(summary(tally));
        close = () => {};
      };
    },
    stopping() {
      close();
      console.log('Stopping …');
    },
  };
}

function welcome(emulator: Emulator): string {
  const { endpoint, runtime, keys, generatedKeys } = emulator;
  const generated = generatedKeys.includes('batch-processor');
  const header = generated ? `'apikey: ${keys['batch-processor']}'` : '"apikey: $DECK_BATCH_PROCESSOR_KEY"';
  return `
Kong and Lambda are up (${runtime}).
  address  ${endpoint}
  key      ${keyOf(emulator)}
Try it:
  curl -sS ${endpoint} -H ${header} -H 'content-type: application/json' -d '{"text": "Ada Lovelace met Charles Babbage in London."}'
Ctrl-C stops it.
`;
}

function keyOf({ keys, generatedKeys }: Emulator): string {
  return generatedKeys.includes('batch-processor') ? keys['batch-processor'] : 'the key from DECK_BATCH_PROCESSOR_KEY';
}
