import type { AnswerEvent, Emulator, EmulatorEvent, EnvironmentState } from '../index.js';

/** What happened within one second. */
export interface Second {
  answers: number;
  coldStarts: number;
  /** 429 and 5xx, and answers that broke off. */
  bad: number;
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

/** What there is to see at one moment, on a terminal or on the page, where it goes as JSON. Never a key or a text. */
export interface Picture {
  endpoint: string;
  runtime: string;
  /** Since the start, in ms. */
  upMs: number;
  /** Epoch ms. */
  now: number;
  /** Reserved concurrency. */
  reserved: number;
  environments: readonly EnvironmentState[];
  tally: Tally;
}

const SECONDS = 60;
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
  /** Answers cut before their end, or never begun. */
  broken = 0;
  last: AnswerEvent | undefined;
  budget: Budget | undefined;
  /** The newest last. */
  readonly news: News[] = [];
  readonly #started = performance.now();
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
    const idle = { answers: 0, coldStarts: 0, bad: 0 };
    return Array.from({ length: SECONDS }, (_, at) => this.#seconds.get(newest - SECONDS + 1 + at) ?? idle);
  }

  /** @param reserved concurrency */
  picture({ endpoint, runtime, environments }: Emulator, reserved: number): Picture {
    const [upMs, now] = [performance.now() - this.#started, this.#now()];
    return { endpoint, runtime, upMs, now, reserved, environments: environments(), tally: this };
  }

  toJSON(): object {
    return { ...this, seconds: this.seconds };
  }

  #addAnswer(answer: AnswerEvent, now: number): void {
    const { status, broken, by, method, consumer, limit, resetS } = answer;
    const second = this.#second(now);
    this.answers++;
    this.last = answer;
    second.answers++;
    if (status === 429 || status >= 500 || broken) second.bad++;
    if (broken) this.broken++;
    if (status >= 500) this.failed++;
    if (status === 429 && by === 'gateway') this.limited++;
    if (status === 429 && by === 'upstream') this.throttled++;
    // Other methods are the route on which the function tells about itself, with a limit of its own.
    if (method !== 'POST' || consumer === undefined || limit === undefined || resetS === undefined) return;
    const resetsAt = now + resetS * 1000;
    // Answers do not come in the order of their requests: within a window the least counts. Reset is in whole seconds,
    // and was told when the request came.
    const known = this.budget?.consumer === consumer && now < this.budget.resetsAt ? this.budget : undefined;
    const remaining = Math.min(answer.remaining ?? limit, known?.remaining ?? limit);
    this.budget = { consumer, limit, remaining, resetsAt: Math.min(resetsAt, known?.resetsAt ?? resetsAt) };
  }

  #second(now: number): Second {
    const key = Math.floor(now / 1000);
    const second = this.#seconds.get(key) ?? { answers: 0, coldStarts: 0, bad: 0 };
    this.#seconds.set(key, second);
    for (const old of this.#seconds.keys()) if (old <= key - SECONDS) this.#seconds.delete(old);
    return second;
  }
}

/** What happened, for a person to read; nothing for an answer as it should be. */
export function sentence(event: EmulatorEvent): string | undefined {
  const where = 'environment' in event ? ` ${event.environment.slice(0, 8)}` : '';
  switch (event.event) {
    case 'answer':
      if (event.broken)
        return event.status === 0 ? 'a request went unanswered' : `an answer of ${event.status} broke off`;
      return event.status === 429 && event.by === 'gateway'
        ? 'rate limited: the requests of this window are used up (429)'
        : undefined;
    case 'cold start':
      return `cold start${where}: init took ${Math.round(event.initMs)} ms`;
    case 'initialised ahead': {
      const why = event.initType === 'on-demand' ? 'proactive' : 'provisioned';
      return `initialised ahead${where} (${why}): init took ${Math.round(event.initMs)} ms`;
    }
    case 'init failed':
      return `init failed${where}: ${event.error.errorMessage}`;
    case 'function error':
      return `function error${where}: ${event.errorType} (502)`;
    case 'throttled':
      return 'throttled: reserved concurrency is used up (429)';
    case 'environment expired':
      return `expired${where}: idle`;
    case 'environment lost':
      return `lost${where}: its process ended while idle`;
    case 'restart':
      return `configuration updated: ${event.environments} environments are replaced`;
    case 'reload':
      return event.error ? `not reloaded, the old config stays: ${event.error}` : `reloaded ${event.file}`;
  }
}
