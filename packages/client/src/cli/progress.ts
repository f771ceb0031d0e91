import type { Usage } from '../budget.js';

/** Where progress is shown. */
export interface Screen {
  isTTY?: boolean;
  /** Of a terminal. */
  columns?: number;
  write(text: string): unknown;
}

export interface ProgressOptions {
  screen: Screen;
  /** Bytes of all inputs; undefined when one has no size. */
  total: number | undefined;
  /** What is known of the gateway's limits. */
  budget: () => Usage[];
  /** Now, in ms. */
  now: () => number;
}

const REDRAW_MS = 200;
const LINE_MS = 30_000;
const BAR = 20;
const CLEAR = '\r\x1b[2K';

/** How far a run is: a line that is redrawn on a terminal, else a line every 30 s. */
export class Progress {
  readonly #options: ProgressOptions;
  readonly #started: number;
  #documents = 0;
  #failed = 0;
  #read = 0;
  /** Bytes that an earlier run did. */
  #before = 0;
  #wait: { until: number; reason: string } | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ProgressOptions) {
    this.#options = options;
    this.#started = options.now();
  }

  start(): void {
    this.#timer = setInterval(() => this.show(), this.#options.screen.isTTY ? REDRAW_MS : LINE_MS).unref();
  }

  /**
   * @param read bytes of the inputs up to the document's end
   * @param ok undefined for what an earlier run did
   */
  add(read: number, ok: boolean | undefined): void {
    if (ok === undefined) this.#before += read - this.#read;
    else this.#documents++;
    if (ok === false) this.#failed++;
    this.#read = read;
  }

  wait(ms: number, reason: string): void {
    this.#wait = { until: this.#options.now() + ms, reason };
  }

  show(): void {
    const { screen } = this.#options;
    if (!screen.isTTY) screen.write(`burst-ner: ${this.toString()}\n`);
    // Terminals wrap a line that fills them.
    else screen.write(CLEAR + `${this.#bar()}${this.toString()}`.slice(0, (screen.columns ?? 80) - 1));
  }

  stop(): void {
    clearInterval(this.#timer);
    if (this.#options.screen.isTTY) this.#options.screen.write(CLEAR);
  }

  toString(): string {
    const now = this.#options.now();
    // A wait that is known of counts already: the documents of this window are all that it will have.
    const seconds = (Math.max(now, this.#wait?.until ?? 0) - this.#started) / 1000;
    const share = this.#share();
    const parts = [count(this.#documents, 'document')];
    if (share !== undefined) parts.unshift(`${Math.floor(share * 100)} %`);
    if (this.#failed > 0) parts.push(`${this.#failed.toLocaleString('en')} failed`);
    if (this.#documents > 0) parts.push(`${rate(this.#documents / seconds)}/s`);
    if (share !== undefined && this.#read > this.#before) {
      const left = (seconds * ((this.#options.total ?? 0) - this.#read)) / (this.#read - this.#before);
      parts.push(`${duration(left)} left`);
    }
    if (this.#wait && this.#wait.until > now) {
      parts.push(`waiting ${duration((this.#wait.until - now) / 1000)}: ${this.#wait.reason}`);
    } else {
      for (const { period, limit, used } of this.#options.budget()) {
        parts.push(`${Math.max(0, limit - used)} of ${limit} requests left this ${period}`);
      }
    }
    return parts.join(', ');
  }

  #share(): number | undefined {
    const { total } = this.#options;
    return total ? Math.min(1, this.#read / total) : undefined;
  }

  #bar(): string {
    const share = this.#share();
    if (share === undefined) return '';
    const full = Math.round(share * BAR);
    return `${'█'.repeat(full)}${'░'.repeat(BAR - full)} `;
  }
}

function rate(perSecond: number): string {
  return perSecond < 10 ? perSecond.toFixed(1) : Math.round(perSecond).toLocaleString('en');
}

/** @param noun of one, e.g. `document` */
export function count(n: number, noun: string): string {
  return `${n.toLocaleString('en')} ${n === 1 ? noun : noun.replace(/y?$/, (y) => (y ? 'ies' : 's'))}`;
}

/** @param seconds e.g. 41 s, 3 min, 2 h 5 min */
export function duration(seconds: number): string {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  const minutes = Math.ceil(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
