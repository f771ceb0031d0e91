import type { Writable } from 'node:stream';

/** Between two looks at a run under way, ms: on a terminal, where a line replaces the last one, and elsewhere. */
const TERMINAL_MS = 1000;
const PIPE_MS = 30_000;

/** Says on standard error how far a run is. */
export class Progress {
  readonly #out: Writable & { isTTY?: boolean };
  #timer: NodeJS.Timeout | undefined;

  constructor(out: Writable & { isTTY?: boolean } = process.stderr) {
    this.#out = out;
  }

  /** What stays. */
  line(text: string): void {
    this.#write(`${text}\n`);
  }

  /** What is true for now, until the next line or `still`. Where there is no terminal it is told now and then. */
  still(text: () => string): void {
    clearInterval(this.#timer);
    const tell = () => this.#write(this.#out.isTTY ? text() : `${text()}\n`);
    if (this.#out.isTTY) tell();
    this.#timer = setInterval(tell, this.#out.isTTY ? TERMINAL_MS : PIPE_MS).unref();
  }

  /** Nothing goes on any more. */
  end(): void {
    clearInterval(this.#timer);
    this.#write('');
  }

  #write(text: string): void {
    this.#out.write(this.#out.isTTY ? `\r\x1b[2K${text}` : text);
  }
}
