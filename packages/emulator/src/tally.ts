import type { AnswerEvent, EmulatorEvent } from './index.js';
import { sentence } from './news.js';

/** What happened within one second. */
export interface Second {
  answers: number;
  coldStarts: number;
  /** 429 and 5xx. */
  refused: number;
}

/** Something worth a line, and how often in a row. */
export interface News {
  /** Epoch ms, of the last time. */
  at: number;
  text: string;
  times: number;
}

/** A consumer's rate limit, as its last request on the main route found it. */
export interface Budget {
  consumer: string;
  limit: number;
  remaining: number;
  /** Epoch ms. */
  resetsAt: number;
}

export const SECONDS = 60;
const NEWS = 50;

/** What events add up to. */
export class Tally {
  answers = 0;
  coldStarts = 0;
  /** 429s of the gateway, and of Lambda behind it. */
  limited = 0;
  throttled = 0;
  /** Answers of 500 and above. */
  failed = 0;
  last: AnswerEvent | undefined;
  budget: Budget | undefined;
  /** The newest last. */
  readonly news: News[] = [];
  readonly #seconds = new Map<number, Second>();
  readonly #now: () => number;

  /** @param now epoch ms */
  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  add(event: EmulatorEvent): void {
    const now = this.#now();
    if (event.event === 'answer') this.#addAnswer(event, now);
    if (event.event === 'cold start') {
      this.coldStarts++;
      this.#second(now).coldStarts++;
    }
    const text = sentence(event);
    if (!text) return;
    const previous = this.news.at(-1);
    if (previous?.text === text) {
      previous.at = now;
      previous.times++;
      return;
    }
    this.news.push({ at: now, text, times: 1 });
    if (this.news.length > NEWS) this.news.shift();
  }

  /** The last 60 seconds, the newest last. */
  get seconds(): Second[] {
    const newest = Math.floor(this.#now() / 1000);
    const idle = { answers: 0, coldStarts: 0, refused: 0 };
    return Array.from({ length: SECONDS }, (_, at) => this.#seconds.get(newest - SECONDS + 1 + at) ?? idle);
  }

  #addAnswer(answer: AnswerEvent, now: number): void {
    const { status, by, method, budget, consumer } = answer;
    const second = this.#second(now);
    this.answers++;
    this.last = answer;
    second.answers++;
    if (status === 429 || status >= 500) second.refused++;
    if (status >= 500) this.failed++;
    if (status === 429 && by === 'gateway') this.limited++;
    if (status === 429 && by === 'upstream') this.throttled++;
    // Other methods are the route on which the function tells about itself, with a limit of its own.
    if (method !== 'POST' || !budget || consumer === undefined) return;
    const { limit, resetS } = budget;
    const resetsAt = now + resetS * 1000;
    // Answers do not come in the order of their requests: within a window the least counts. Reset is in whole seconds,
    // and was told when the request came.
    const known = this.budget?.consumer === consumer && now < this.budget.resetsAt ? this.budget : undefined;
    const remaining = Math.min(budget.remaining, known?.remaining ?? limit);
    this.budget = { consumer, limit, remaining, resetsAt: Math.min(resetsAt, known?.resetsAt ?? resetsAt) };
  }

  #second(now: number): Second {
    const key = Math.floor(now / 1000);
    const second = this.#seconds.get(key) ?? { answers: 0, coldStarts: 0, refused: 0 };
    this.#seconds.set(key, second);
    for (const old of this.#seconds.keys()) if (old <= key - SECONDS) this.#seconds.delete(old);
    return second;
  }
}
