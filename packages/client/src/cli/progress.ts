import type { Usage } from '../budget.js';
import type { OutputRecord } from './record.js';

export interface Screen {
  isTTY?: boolean;
  columns?: number;
  write(text: string): unknown;
}

const REDRAW_MS = 200;
const LINE_MS = 30_000;
const BAR = 20;
const CLEAR = '\r\x1b[2K';

/** What a run did so far: a line that is redrawn on a terminal, else a line every 30 s; and at last a summary. */
export class Progress {
  /** Documents that an earlier run did, and those of them that failed. */
  before = { documents: 0, failed: 0 };
  model: string | undefined;
  #done = 0;
  #failed = 0;
  #entities = 0;
  #answers = 0;
  #limited = 0;
  /** Bytes of the inputs that were read, and those of them that an earlier run did. */
  #read = 0;
  #readBefore = 0;
  #wait: { until: number; reason: string } | undefined;
  #screen: Screen | undefined;
  #total: number | undefined;
  #budget: () => Usage[] = () => [];
  #timer: NodeJS.Timeout | undefined;
  readonly #started: number;

  /** @param now in ms */
  constructor(private readonly now = () => performance.now()) {
    this.#started = now();
  }

  /**
   * Shows it.
   *
   * @param total bytes of all inputs; undefined when one has no size
   * @param budget what is known of the gateway's limits
   */
  start(screen: Screen, total: number | undefined, budget: () => Usage[]): void {
    this.#screen = screen;
    this.#total = total;
    this.#budget = budget;
    this.#timer = setInterval(() => this.show(), screen.isTTY ? REDRAW_MS : LINE_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    if (this.#screen?.isTTY) this.#screen.write(CLEAR);
  }

  /** @param status HTTP status of an answer */
  answered(status: number): void {
    this.#answers++;
    if (status === 429) this.#limited++;
  }

  wait(ms: number, reason: string): void {
    this.#wait = { until: this.now() + ms, reason };
  }

  /** @param read bytes of the inputs up to the end of what an earlier run did */
  skip(read: number): void {
    this.#read = this.#readBefore = read;
  }

  /** @param read bytes of the inputs up to the document's end */
  add({ entities, error }: OutputRecord, read: number): void {
    if (error) this.#failed++;
    else this.#done++;
    this.#entities += entities?.length ?? 0;
    this.#read = read;
  }

  /** Of this run. */
  get documents(): number {
    return this.#done + this.#failed;
  }

  /** Whether a document of the whole output failed. */
  get anyFailed(): boolean {
    return this.#failed + this.before.failed > 0;
  }

  show(): void {
    const screen = this.#screen;
    if (!screen?.isTTY) screen?.write(`burst-ner: ${this.line()}\n`);
    // Terminals wrap a line that fills them.
    else screen.write(CLEAR + `${this.#bar()}${this.line()}`.slice(0, (screen.columns ?? 80) - 1));
  }

  line(): string {
    const now = this.now();
    // A wait that is known of counts already: the documents of this window are all that it will have.
    const seconds = (Math.max(now, this.#wait?.until ?? 0) - this.#started) / 1000;
    const share = this.#share;
    const parts = [count(this.documents, 'document')];
    if (share !== undefined) parts.unshift(`${Math.floor(share * 100)} %`);
    if (this.#failed > 0) parts.push(`${this.#failed.toLocaleString('en')} failed`);
    if (this.documents > 0) parts.push(`${rate(this.documents / seconds)}/s`);
    if (share !== undefined && this.#read > this.#readBefore) {
      const left = (seconds * ((this.#total ?? 0) - this.#read)) / (this.#read - this.#readBefore);
      parts.push(`${duration(left)} left`);
    }
    if (this.#wait && this.#wait.until > now) {
      parts.push(`waiting ${duration((this.#wait.until - now) / 1000)}: ${this.#wait.reason}`);
    } else {
      for (const { period, limit, used } of this.#budget()) {
        parts.push(`${Math.max(0, limit - used)} of ${limit} requests left this ${period}`);
      }
    }
    return parts.join(', ');
  }

  summary(): string {
    const { documents, failed } = this.before;
    if (this.documents === 0 && documents > 0) {
      return `nothing to do: ${count(documents, 'document')} done before, ${failed} of them failed`;
    }
    return (
      `${count(this.#done, 'document')} done, ${this.#failed} failed, ${count(this.#entities, 'entity')}, ` +
      `${count(this.#answers, 'answer')} (${this.#limited} of them 429), ${this.#seconds()} s` +
      (this.model ? `, ${this.model}` : '') +
      (documents > 0 ? `; ${documents} done before, ${failed} of them failed` : '')
    );
  }

  /** @param error why the run stopped */
  toJSON(error?: string): object {
    return {
      documents: this.before.documents + this.documents,
      done: this.#done,
      failed: this.#failed,
      before: this.before,
      entities: this.#entities,
      answers: this.#answers,
      limited: this.#limited,
      seconds: Number(this.#seconds()),
      ...(this.model && { model: this.model }),
      ...(error && { error }),
    };
  }

  #seconds(): string {
    return ((this.now() - this.#started) / 1000).toFixed(1);
  }

  get #share(): number | undefined {
    return this.#total ? Math.min(1, this.#read / this.#total) : undefined;
  }

  #bar(): string {
    if (this.#share === undefined) return '';
    const full = Math.round(this.#share * BAR);
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
