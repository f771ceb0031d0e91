import { writeSync } from 'node:fs';
import type { WriteStream } from 'node:tty';

// The alternate screen, no cursor, no wrapping; and back.
const ENTER = '\x1b[?1049h\x1b[?25l\x1b[?7l';
const LEAVE = '\x1b[?7h\x1b[?25h\x1b[?1049l';
// Terminals that know these show all between them at once.
const BEGIN = '\x1b[?2026h';
const END = '\x1b[?2026l';

type Terminal = WriteStream & { readonly fd: number };

/** A full-screen view on a terminal, which is as it was before when the view is closed, however the program ends. */
export class Screen {
  readonly #out: Terminal;
  #open = false;
  readonly #leave = () => {
    if (!this.#open) return;
    this.#open = false;
    try {
      writeSync(this.#out.fd, LEAVE);
    } catch {
      // A terminal that is gone needs no restoring.
    }
  };

  constructor(out: Terminal) {
    this.#out = out;
    this.toggle();
    // A crash tells its reason on the ordinary screen.
    process.once('exit', this.#leave).once('uncaughtExceptionMonitor', this.#leave);
  }

  /** Goes to the ordinary screen, where nothing is drawn, and back. */
  toggle(): void {
    if (this.#open) {
      this.#leave();
      return;
    }
    this.#open = true;
    this.#out.write(ENTER);
  }

  /** Writes the lines over those that are there. */
  show(lines: readonly string[]): void {
    if (this.#open) this.#out.write(`${BEGIN}\x1b[H${lines.map((line) => `${line}\x1b[K`).join('\r\n')}\x1b[J${END}`);
  }

  close(): void {
    this.#leave();
    process.off('exit', this.#leave).off('uncaughtExceptionMonitor', this.#leave);
  }
}
