import { Batch } from './batch.js';
import { RateBudget, type Usage } from './budget.js';
import type { Found, Text } from './document.js';
import { ConfigError, NerError, ServiceUnavailableError } from './errors.js';
import type { Settings } from './options.js';
import { Pace } from './pace.js';
import type { Queue } from './queue.js';
import { Sender, type Served } from './sender.js';
import { Slots } from './slots.js';
import { judge, type Next } from './verdict.js';
import type { Description, Limits } from './wire.js';

/** The service is away. */
interface Outage {
  /** By the local clock; moves by what waits for the rate limit. */
  since: number;
  /** Since when only the rate limit holds the probe up. */
  heldAt: number | undefined;
  /** The first request that failed so: one that was sent after it and is served ends the outage. */
  first: number;
  /** The last one sent when the last failure was counted: what was sent by then tells nothing new. */
  latest: number;
  /** Of the first one and of the probes. */
  failures: number;
  /** When the next probe leaves. */
  until: number;
  probe: Batch | undefined;
}

// How long a request that is not full waits for the next document: longer than reading on in a file takes.
const LINGER_MS = 20;
const MOST_LINGERS = 5;
// A timer's longest delay is 2^31 - 1 ms; a wait that ends early looks again.
const LONGEST_SLEEP_MS = 3_600_000;
// So often a text is to blame, alone and with others, before it is settled: a bad moment passes.
const BLAMES = 4;
// So often a request that failed in an outage is sent again whole.
const PARDONS = 1;
// More requests than these, in doubt at the same time, are an outage.
const MOST_DOUBTS = 2;
// So many refusals without any success are no accident.
const REFUSALS = 4;
// So often the service may have no time or no room for a text, with nothing else done.
const TRIES = 6;
const LONGEST_BACK_OFF_MS = 12_000;

/** Sends what waits in queues: so many requests at once, within the rate limit, and again where that helps. */
export class Scheduler {
  readonly #settings: Settings;
  readonly #sender: Sender;
  readonly #budget: RateBudget;
  readonly #slots: Slots;
  readonly #pace = new Pace();
  readonly #queues = new Set<Queue>();
  readonly #open = new Set<Batch>();
  /** Put back: they go before what waits in queues. */
  readonly #again: Batch[] = [];
  /** Failed, and it is not known yet whether a text of theirs is to blame or the service is away. */
  readonly #doubts = new Set<Batch>();
  readonly #asking = new Set<Promise<unknown>>();
  #outage: Outage | undefined;
  /** Since when the function has only been too busy. */
  #busySince: number | undefined;
  /** Whether there has been a good answer. */
  #served = false;
  /** How many requests were sent. */
  #number = 0;
  #limitsAsked: 'no' | 'now' | 'yes' = 'no';
  #closing: Promise<void> | undefined;
  #closed = false;
  #onIdle = () => {};
  #alarm: { at: number; controller: AbortController } | undefined;
  #toldUntil = Number.NEGATIVE_INFINITY;

  constructor(settings: Settings) {
    this.#settings = settings;
    this.#sender = new Sender(settings);
    this.#budget = new RateBudget(settings.clock, settings.budgetShare);
    this.#slots = new Slots(settings.concurrency, settings.clock);
  }

  get usage(): Usage[] {
    return this.#budget.usage();
  }

  get limits(): Limits {
    return this.#sender.limits;
  }

  /** How much work to put in one request now, in characters. */
  get size(): number {
    const size = this.#pace.size(this.#slots.size, this.#budget.interval);
    return Math.min(size, this.limits.max_characters);
  }

  /** @throws {ConfigError} when this client is closed */
  join(queue: Queue): void {
    this.#refuseClosed();
    this.#queues.add(queue);
  }

  /** Nobody wants anything more of `queue`: its documents are dropped, or have their outcomes. */
  leave(queue: Queue): void {
    this.#queues.delete(queue);
    this.sweep();
  }

  /** Gives up what nobody waits for any more. */
  sweep(): void {
    const unneeded = (batch: Batch) => !batch.needed;
    for (const batch of [...this.#doubts, ...this.#again].filter(unneeded)) {
      if (!this.#doubts.delete(batch)) this.#again.splice(this.#again.indexOf(batch), 1);
      batch.queue.putBack(batch.rest);
    }
    for (const batch of [...this.#open].filter(unneeded)) batch.stop.abort();
    this.pump();
  }

  /** How many requests with texts of `queue` are under way. */
  underWay(queue: Queue): number {
    return [...this.#open].filter((batch) => batch.queue === queue).length;
  }

  /** Lets what waits in `queue` leave, full or not, once nothing has come for a while. */
  async linger(queue: Queue): Promise<void> {
    // What trickles is as good as nothing in the end.
    for (let times = 0, added = -1; times < MOST_LINGERS && added !== queue.added; times++) {
      added = queue.added;
      await this.#settings.clock.sleep(LINGER_MS, undefined);
    }
    queue.dry();
    this.pump();
  }

  /**
   * Asks the service what it is: one attempt, outside of the slots and the rate budget.
   *
   * @throws {NerError} when it does not say
   */
  async describe(signal: AbortSignal | undefined): Promise<Description> {
    this.#refuseClosed();
    return this.#describe(signal);
  }

  /** Takes no more calls, ends those that there are, then closes the sockets. */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      for (const queue of this.#queues) queue.flush = true;
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
        this.pump();
      });
      this.#closed = true;
      await this.#sender.close();
    })();
    return this.#closing;
  }

  /** Sends what can be sent now, and sees to it that it is called when there will be more. */
  pump(): void {
    if (this.#closed) this.#stop(new ConfigError('this client is closed; make a new one'));
    let next = this.#next();
    for (; next === 'now'; next = this.#next()) void this.#send(this.#take());
    if (next === undefined) this.#disarm();
    else this.#arm(next);
    if (!this.#idle()) return;
    // What begins later has its own outage.
    this.#outage = undefined;
    this.#busySince = undefined;
    this.#onIdle();
  }

  /** When something can be sent: now, at a time, or only after something else happens. */
  #next(): 'now' | number | undefined {
    if (!this.#slots.free) return undefined;
    const now = this.#settings.clock.now();
    const due = this.#due(now);
    if (due === undefined) return undefined;
    const outage = this.#outage;
    if (outage?.probe) return undefined;
    const after = Math.max(due, outage?.until ?? due);
    if (after > now) return after;
    const closed = this.#budget.closed();
    if (!closed) return 'now';
    if (outage) outage.heldAt ??= now;
    if (closed.until === Number.POSITIVE_INFINITY) return undefined;
    this.#tell(closed.until - now, closed.reason);
    return closed.until;
  }

  /** When there is something to send, whether it may be sent or not. */
  #due(now: number): number | undefined {
    const due = Math.min(...this.#again.map((batch) => batch.due));
    if (due <= now || this.#ready()) return now;
    if (this.#doubts.size > 0) {
      // All that is left is in doubt: a probe tells.
      const [doubt] = this.#doubts;
      if (!this.#outage && doubt && this.#open.size === 0 && this.#again.length === 0) this.#pause(doubt, 'split');
      if (this.#outage) return now;
    }
    return due === Number.POSITIVE_INFINITY ? undefined : due;
  }

  #ready(): Queue | undefined {
    for (const queue of this.#queues) {
      if (!queue.ready(this.size)) continue;
      if (!queue.asksLimits || this.#limitsAsked === 'yes') return queue;
      if (this.#limitsAsked === 'no') void this.#askLimits();
    }
    return undefined;
  }

  #take(): Batch {
    const [doubt] = this.#doubts;
    if (this.#outage && doubt) {
      this.#pace.extra(true);
      return new Batch(doubt.queue, []);
    }
    const now = this.#settings.clock.now();
    const at = this.#again.findIndex((batch) => batch.due <= now);
    this.#pace.extra(at >= 0);
    if (at >= 0) return this.#again.splice(at, 1)[0] as Batch;
    const queue = this.#ready() as Queue;
    // The others' turn comes next.
    this.#queues.delete(queue);
    this.#queues.add(queue);
    return new Batch(queue, queue.take(this.size, this.limits));
  }

  async #send(batch: Batch): Promise<void> {
    batch.number = ++this.#number;
    batch.attempts++;
    this.#open.add(batch);
    const sentAt = this.#settings.clock.now();
    if (this.#outage) {
      this.#outage.probe = batch;
      this.#outage.since += sentAt - (this.#outage.heldAt ?? sentAt);
      this.#outage.heldAt = undefined;
    }
    const ticket = this.#budget.issue();
    batch.queue.changed();
    const result = await this.#slots.run(() => this.#sender.send(batch, ticket)).catch((error: unknown) => ({ error }));
    this.#open.delete(batch);
    if (this.#outage?.probe === batch) this.#outage.probe = undefined;
    if ('error' in result) this.#failed(batch, result.error, sentAt);
    else this.#answered(batch, result);
    this.pump();
    batch.queue.changed();
  }

  #answered(batch: Batch, { found, ms }: Served): void {
    this.#served = true;
    this.#busySince = undefined;
    this.#settle(batch, found, ms);
    this.#up(batch);
  }

  /** The service is there: what was sent before and failed was not its fault. */
  #up(batch: Batch): void {
    const wide = this.#outage !== undefined && (this.#outage.failures > 1 || this.#doubts.size > 1);
    if (this.#outage && batch.number > this.#outage.first) this.#outage = undefined;
    for (const doubt of this.#doubts) {
      if (batch.number < doubt.number) continue;
      this.#doubts.delete(doubt);
      if (wide && doubt.pardons++ < PARDONS) this.#again.push(doubt);
      else this.#blame(doubt);
    }
  }

  #settle({ queue, texts, rest, blames, pardons }: Batch, found: Found[], ms: number): void {
    let size = 0;
    for (const [i, text] of texts.entries()) if ('entities' in (found[i] as Found).result) size += text.size;
    this.#pace.learn(size, ms);
    const undone: Text[] = [];
    for (const [i, text] of texts.entries()) {
      const it = found[i] as Found;
      const code = 'code' in it.result ? it.result.code : '';
      const later = code === 'deadline_exceeded' || code === 'response_too_large';
      // No try is lost when something else came back: the rest is less each time. But what is first in line, and has room
      // for nothing else before it, is too much by itself.
      const free = size > 0 && !(code === 'response_too_large' && i === 0);
      if (later && (free || ++text.tries < TRIES)) undone.push(text);
      else text.settle(it);
    }
    queue.putBack(undone);
    if (rest.length > 0) this.#halve(Object.assign(new Batch(queue, rest), { blames, pardons }));
  }

  #failed(batch: Batch, error: unknown, sentAt: number): void {
    if (!batch.needed) batch.queue.putBack(batch.rest);
    else if (error instanceof NerError) this.#follow(judge(error, this.#served).next, batch, error, sentAt);
    else this.#stop(error);
  }

  #follow(next: Next, batch: Batch, error: NerError, sentAt: number): void {
    batch.error = error;
    if (next === 'stop') this.#stop(error);
    else if (next === 'wait') {
      batch.attempts--;
      this.#putBack(batch);
    } else if (next === 'slow down') {
      this.#slots.throttled(sentAt);
      this.#busy(batch, error);
    } else if (next === 'pause') {
      this.#putBack(batch);
      this.#pause(batch, next);
    } else if (next === 'split') {
      if (batch.texts.length === 0) this.#up(batch);
      this.#blame(batch);
    } else if (batch.blames > 0 && batch.texts.length > 1 && !this.#outage) {
      // Its text to blame is no news; only a text alone needs a witness.
      this.#blame(batch);
    } else {
      if (batch.texts.length > 0) this.#doubts.add(batch);
      if (this.#outage || this.#doubts.size > MOST_DOUBTS) this.#pause(batch, next);
    }
  }

  #busy(batch: Batch, error: NerError): void {
    const { clock, outageMs } = this.#settings;
    const now = clock.now();
    const ms = backOff(++batch.throttles, error.retryAfterMs, clock.random());
    this.#busySince ??= now;
    if (now + ms - this.#busySince > outageMs) this.#stop(this.#unavailable(error, now - this.#busySince));
    else this.#later(batch, ms, 'the function is busy');
  }

  /** It goes first. A probe is never sent again. */
  #putBack(batch: Batch): void {
    if (batch.texts.length > 0) this.#again.unshift(batch);
  }

  /** The service may be away: everybody waits, longer each time, and a probe tells. */
  #pause(batch: Batch, next: Next): void {
    const { clock, outageMs } = this.#settings;
    const error = batch.error as NerError;
    const now = clock.now();
    const first = Math.min(batch.number, ...[...this.#doubts].map(({ number }) => number));
    this.#outage ??= { since: now, heldAt: undefined, first, latest: 0, failures: 0, until: now, probe: undefined };
    const outage = this.#outage;
    if (batch.number <= outage.latest) return;
    outage.latest = this.#number;
    outage.failures++;
    // Where a text may be to blame a probe tells at once.
    const ms =
      this.#doubts.size > 0 && outage.failures === 1 ? 0 : backOff(outage.failures, error.retryAfterMs, clock.random());
    outage.until = now + ms;
    if (next === 'split or stop' && outage.failures >= REFUSALS) this.#stop(error);
    else if (outage.until - outage.since > outageMs) this.#stop(this.#unavailable(error, now - outage.since));
    else this.#wait(ms, `the service is away (${error.code})`);
  }

  #unavailable(error: NerError, ms: number): ServiceUnavailableError {
    const { outageMs } = this.#settings;
    const seconds = (value: number) => `${Math.round(value / 1000).toLocaleString('en')} s`;
    const sentence = `the service has been away for ${seconds(ms)}, and ${seconds(outageMs)} are the most (outageMs): ${error.message}`;
    return new ServiceUnavailableError(sentence, error);
  }

  /** A text of it is to blame. */
  #blame(batch: Batch): void {
    const error = batch.error as NerError;
    batch.queue.putBack(batch.rest);
    batch.rest = [];
    batch.blames++;
    const [text, more] = batch.texts.filter(({ needed }) => needed);
    const sure = judge(error, this.#served).next === 'split';
    if (!text) return;
    if (more) this.#halve(batch, sure);
    else if (sure || batch.blames >= BLAMES) text.settle(error);
    else this.#later(batch, backOff(batch.blames, undefined, this.#settings.clock.random()), `after ${error.code}`);
  }

  /**
   * Sends the first half. Whether it is served tells which one has the text to blame; where either may be too much by
   * itself, both are sent.
   */
  #halve(batch: Batch, both = false): void {
    const texts = batch.texts.filter(({ needed }) => needed);
    if (texts.length === 0) return;
    const middle = Math.ceil(texts.length / 2);
    const [half, other] = [texts.slice(0, middle), texts.slice(middle)];
    this.#again.push(batch.part(half, both ? [] : other));
    if (both && other.length > 0) this.#again.push(batch.part(other));
  }

  #later(batch: Batch, ms: number, reason: string): void {
    if (batch.texts.length === 0) return;
    batch.due = this.#settings.clock.now() + ms;
    this.#again.push(batch);
    this.#wait(ms, `${reason}, to try again`);
  }

  /** Ends every call. What is not settled by now has no outcome. */
  #stop(error: unknown): void {
    this.#outage = undefined;
    this.#busySince = undefined;
    this.#again.length = 0;
    this.#doubts.clear();
    for (const queue of [...this.#queues]) queue.stop(error);
  }

  async #describe(signal: AbortSignal | undefined): Promise<Description> {
    const asking = this.#sender.describe(signal);
    this.#asking.add(asking);
    try {
      return await asking;
    } finally {
      this.#asking.delete(asking);
      this.pump();
    }
  }

  async #askLimits(): Promise<void> {
    this.#limitsAsked = 'now';
    try {
      await this.#describe(undefined);
    } catch (error) {
      // A service that does not tell has the usual ones. A wrong key is wrong for texts, too.
      if (error instanceof ConfigError || (error instanceof NerError && error.status === 401)) {
        this.#limitsAsked = 'no';
        return this.#stop(error);
      }
    }
    this.#limitsAsked = 'yes';
    this.pump();
  }

  #refuseClosed(): void {
    if (this.#closing) throw new ConfigError('this client is closed; make a new one');
  }

  #idle(): boolean {
    const working = this.#open.size + this.#again.length + this.#doubts.size + this.#asking.size > 0;
    return !working && ![...this.#queues].some(({ awaited }) => awaited);
  }

  #tell(ms: number, reason: string): void {
    const until = this.#settings.clock.now() + ms;
    if (until <= this.#toldUntil + 1000) return;
    this.#toldUntil = until;
    this.#wait(ms, reason);
  }

  /** What is called may abort a call: not in the midst of something. */
  #wait(ms: number, reason: string): void {
    queueMicrotask(() => this.#settings.onWait({ ms: Math.ceil(ms), reason }));
  }

  #arm(at: number): void {
    if (this.#alarm?.at === at) return;
    this.#disarm();
    const controller = new AbortController();
    const alarm = { at, controller };
    this.#alarm = alarm;
    const { clock } = this.#settings;
    const ms = Math.max(1, Math.ceil(at - clock.now()));
    clock.sleep(Math.min(ms, LONGEST_SLEEP_MS), controller.signal).then(
      () => {
        if (this.#alarm !== alarm) return;
        this.#alarm = undefined;
        this.pump();
      },
      () => {}, // disarmed
    );
  }

  #disarm(): void {
    this.#alarm?.controller.abort();
    this.#alarm = undefined;
  }
}

/**
 * 1, 2, 4, 8, then 12 s, shortened by chance by up to a quarter, so that callers spread. Never less than Retry-After asks
 * for.
 */
export function backOff(failures: number, askedMs: number | undefined, random: number): number {
  const most = Math.min(LONGEST_BACK_OFF_MS, 1000 * 2 ** (failures - 1));
  return Math.max(askedMs ?? 0, most * 0.75) + random * most * 0.25;
}
