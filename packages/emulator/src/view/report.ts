import type { Emulator, EmulatorEvent } from '../index.js';
import { printable } from '../printable.js';
import { frame, summary } from './frame.js';
import { Screen } from './screen.js';
import { sentence, type Tally } from './tally.js';

/** What a running emulator prints, in one of three ways. */
export interface Report {
  event(event: EmulatorEvent): void;
  /** @param page its address, if there is one */
  ready(emulator: Emulator, page?: string): void;
  /** The end has begun. */
  stopping(): void;
}

const FRAME_MS = 200;

/** One JSON object a line. No keys: what a program prints ends in a log. */
export function jsonReport(): Report {
  const print = (value: object) => console.log(JSON.stringify(value));
  return {
    event: print,
    ready: ({ endpoint, functionUrl, runtime }, page) =>
      print({ event: 'ready', endpoint, functionUrl: functionUrl.url, runtime, page }),
    stopping() {},
  };
}

/** Plain lines. A key that was made up is shown on a terminal alone. */
export function lineReport(): Report {
  console.log('Starting …');
  return {
    event(event) {
      const line = sentence(event);
      if (line) console.log(printable(line));
    },
    ready: (emulator, page) => console.log(welcome(emulator, page, process.stdout.isTTY)),
    stopping: () => console.log('Stopping …'),
  };
}

/**
 * A live view on the terminal.
 *
 * @param tally that is told of every event
 * @param reserved concurrency, to be shown
 * @param stop what Ctrl-C and q do
 */
export function viewReport(tally: Tally, reserved: number, stop: () => void): Report {
  const { stdout, stdin } = process;
  let close = () => {};
  console.log('Starting …');
  return {
    // The tally has them already.
    event() {},
    ready(emulator, page) {
      // The whole key stays on the ordinary screen, which nobody sees who is shown the view.
      console.log(`${welcome(emulator, page, true)}${stdin.isTTY ? 'k goes to the live view and back.\n' : ''}`);
      const key = `${keyHint(emulator)}${stdin.isTTY ? ' · k shows a line to paste' : ''}`;
      const screen = new Screen(stdout);
      const draw = () => {
        const picture = { ...tally.picture(emulator, reserved), key, page };
        const { columns = 80, rows = 24 } = stdout;
        // The last column stays free: erasing the rest of a line would take what stands there.
        screen.show(frame(picture, { columns: columns - 1, rows, colour: !process.env['NO_COLOR'] }));
      };
      // So that what is typed is not shown. Ctrl-C is then a character and no signal.
      const type = (typed: Buffer) => {
        if (['\x03', 'q'].some((each) => typed.includes(each))) return stop();
        if (!typed.includes('k')) return;
        screen.toggle();
        draw();
      };
      if (stdin.isTTY) stdin.setRawMode(true).on('data', type);
      stdout.on('resize', draw);
      const timer = setInterval(draw, FRAME_MS);
      draw();
      close = () => {
        clearInterval(timer);
        stdout.off('resize', draw);
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

const VARIABLE = 'DECK_BATCH_PROCESSOR_KEY';

/** @param terminal whether a person sees it, who may see a key that was made up */
function welcome(emulator: Emulator, page: string | undefined, terminal: boolean): string {
  const { endpoint, functionUrl, runtime, keys } = emulator;
  const show = terminal && isMadeUp(emulator);
  const hidden = isMadeUp(emulator)
    ? `made up, and shown on a terminal alone; set ${VARIABLE} to a key of your own`
    : keyHint(emulator);
  const header = show ? `'apikey: ${keys['batch-processor']}'` : `"apikey: $${VARIABLE}"`;
  return `
Kong and Lambda are up (${runtime}).
  address  ${endpoint}${page ? `\n  page     ${page}` : ''}
  function ${functionUrl.url}
  key      ${show ? keys['batch-processor'] : hidden}
Try it:
  curl -sS ${endpoint} -H ${header} -H 'content-type: application/json' -d '{"text": "Ada Lovelace met Charles Babbage in London."}'
Ctrl-C stops it.
`;
}

/** What may be seen of the key by everybody. */
function keyHint(emulator: Emulator): string {
  const key = emulator.keys['batch-processor'];
  return isMadeUp(emulator) ? `${key.slice(0, 4)}…${key.slice(-4)}` : `the key from ${VARIABLE}`;
}

function isMadeUp({ generatedKeys }: Emulator): boolean {
  return generatedKeys.includes('batch-processor');
}
