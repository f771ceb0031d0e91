import { setImmediate as turn } from 'node:timers/promises';
import { RateBudget, type Usage } from './budget.js';
import { alarm } from './clock.js';
import type { Text } from './document.js';
import { ConfigError, NerError } from './errors.js';
import type { NerEvent, Settings } from './options.js';
import { backOff, Outage } from './outage.js';
import { Pace } from './pace.js';
import type { Queue } from './queue.js';
import { Backlog, Request } from './request.js';
import { Sender, type Served } from './sender.js';
import { Slots } from './slots.js';
import { judge, type Next } from './verdict.js';
import type { Description, Limits, Result } from './wire.js';

// How long a request that is not full waits for the next document: longer than reading on in a file takes.
const LINGER_MS = 20;
// So often a text is to blame, alone and with others, before it is settled: a bad moment passes.
const BLAMES = 4;
// So often the service may have no time or no room for a text, with nothing else done.
const TRIES = 6;

/** Sends what waits in queues: so many requests at once, within the rate limit, and again where that helps. */
export class Scheduler {
  readonly pace = new Pace();
  readonly #sender: Sender;
  readonly #budget: RateBudget;
  readonly #slots: Slots;
  readonly #queues = new Set<Queue>();
  readonly #open = new Set<Request>();
  readonly #again: Backlog;
  readonly #outage: Outage;
  readonly #wakeAt: (at: number | undefined) => void;
  /** Since when the function has only been too busy. */
  #busySince: number | undefined;
  /** How many requests were sent. */
  #number = 0;
  #limitsAsked: 'no' | 'now' | 'yes' = 'no';
  /** How many times the service is being asked what it is. */
  #asking = 0;
  #closing: Promise<void> | undefined;
  #closed = false;
  #onIdle = () => {};
  #toldUntil = Number.NEGATIVE_INFINITY;

  constructor(private readonly settings: Settings) {
    const { clock, concurrency, budgetShare, outageMs } = settings;
    this.#sender = new Sender(settings);
    this.#budget = new RateBudget(clock, budgetShare, concurrency);
    this.#slots = new Slots(concurrency, clock);
    this.#again = new Backlog(clock);
    this.#outage = new Outage(clock, outageMs);
    this.#wakeAt = alarm(clock, () => this.pump());
  }

  get usage(): Usage[] {
    return this.#budget.usage();
  }

  get concurrency(): number {
    return this.settings.concurrency;
  }

  get limits(): Limits {
    return this.#sender.limits;
  }

  /** How much work to put in one request now, in characters. */
  get size(): number {
    const size = this.pace.size(this.#slots.size, this.#budget.interval);
    return Math.min(size, this.limits.max_characters);
  }

  /** @throws {ConfigError} when this client is closed */
  join(queue: Queue): void {
    if (this.#closing) throw closed();
    this.#queues.add(queue);
  }

  /** Nobody wants anything more of `queue`: its documents are dropped, or have their outcomes. */
  leave(queue: Queue): void {
    this.#queues.delete(queue);
    this.sweep();
  }

  /** Gives up what nobody waits for any more. */
  sweep(): void {
    for (const { queue, rest } of [...this.#outage.sweep(), ...this.#again.sweep()]) queue.putBack(rest);
    for (const request of [...this.#open]) if (!request.needed) request.stop.abort();
    this.pump();
  }

  /** How many requests with texts of `queue` are under way. */
  underWay(queue: Queue): number {
    return [...this.#open].filter((request) => request.queue === queue).length;
  }

  /** Lets what waits leave, full or not, once nothing has come for a while that was waited for, or after `most` whiles. */
  async linger(queue: Queue, most: number): Promise<void> {
    if (queue.lingers) return;
    queue.lingers = true;
    for (let times = 0, stirs = -1; times < most && stirs !== queue.stirs && queue.owner.grows(); times++) {
      stirs = queue.stirs;
      await this.settings.clock.sleep(LINGER_MS, undefined);
      // Where this process was busy for as long, what came meanwhile is not seen yet.
      await turn();
    }
    queue.lingers = false;
    queue.flush ||= queue.owner.grows();
    this.pump();
  }

  /** Asks the service what it is: one attempt, outside of the slots and the rate budget. */
  async describe(signal: AbortSignal | undefined): Promise<Description> {
    if (this.#closing) throw closed();
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
    if (this.#closed) this.#stop(closed());
    let next = this.#next();
    for (; next === 'now'; next = this.#next()) void this.#send(this.#take());
    this.#wakeAt(next);
    const working = this.#open.size + this.#outage.doubts.size + this.#asking > 0;
    if (working || !this.#again.empty || [...this.#queues].some(({ awaited }) => awaited)) return;
    this.#outage.end();
    this.#busySince = undefined;
    this.#onIdle();
  }

  /** When something can be sent: now, at a time, or only after something else happens. */
  #next(): 'now' | number | undefined {
    if (!this.#slots.free || (this.#open.size > 0 && [this.#again.next, ...this.#open].some((it) => it?.alone))) {
      return undefined;
    }
    const now = this.settings.clock.now();
    const due = this.#due(now);
    if (due === undefined) return undefined;
    const after = Math.max(due, this.#outage.opensAt);
    if (after === Number.POSITIVE_INFINITY) return undefined;
    if (after > now) return after;
    const wait = this.#budget.closed();
    if (!wait) return 'now';
    this.#outage.held();
    if (wait.until === Number.POSITIVE_INFINITY) return undefined;
    if (wait.until > this.#toldUntil + 1000) {
      this.#toldUntil = wait.until;
      this.#tell({ type: 'wait', ms: wait.until - now, reason: wait.reason });
    }
    return wait.until;
  }

  /** When there is something to send, whether it may be sent or not. */
  #due(now: number): number | undefined {
    const { due } = this.#again;
    if (due <= now || this.#ready()) return now;
    const [doubt] = this.#outage.doubts;
    if (doubt) {
      // All that is left is in doubt: a probe tells.
      if (!this.#outage.begun && this.#open.size === 0 && this.#again.empty) this.#pause(doubt, 'split or pause');
      if (this.#outage.begun) return now;
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

  #take(): Request {
    const [doubt] = this.#outage.doubts;
    const probe = this.#outage.begun && doubt ? new Request(doubt.queue, []) : undefined;
    const again = probe ?? this.#again.take();
    this.pace.extra(again !== undefined);
    if (again) return again;
    const queue = this.#ready() as Queue;
    // The others' turn comes next.
    this.#queues.delete(queue);
    this.#queues.add(queue);
    return new Request(queue, queue.take(this.size, this.limits));
  }

  async #send(request: Request): Promise<void> {
    request.number = ++this.#number;
    request.attempts++;
    this.#open.add(request);
    const sentAt = this.settings.clock.now();
    this.#outage.sent(request);
    const ticket = this.#budget.issue();
    request.queue.owner.onChange();
    const result = await this.#slots
      .run(() => this.#sender.send(request, ticket))
      .catch((error: unknown) => ({ error }));
    this.#open.delete(request);
    this.#outage.ended(request);
    if ('error' in result) this.#failed(request, result.error, sentAt);
    else this.#answered(request, result);
    this.pump();
    request.queue.owner.onChange();
  }

  #answered(request: Request, { results, model, ms }: Served): void {
    this.#outage.served = true;
    this.#busySince = undefined;
    const { queue, texts, rest } = request;
    const done = texts.filter((_, i) => 'entities' in (results[i] as Result));
    this.pace.learn(
      done.reduce((sum, { size }) => sum + size, 0),
      ms,
    );
    const undone: Text[] = [];
    for (const [i, text] of texts.entries()) {
      const result = results[i] as Result;
      const code = 'code' in result ? result.code : '';
      const later = code === 'deadline_exceeded' || code === 'response_too_large';
      // No try is lost when something else came back: the rest is less each time. But what is first in line, and has room
      // for nothing else before it, is too much by itself.
      const free = done.length > 0 && !(code === 'response_too_large' && i === 0);
      if (later && (free || ++text.tries < TRIES)) undone.push(text);
      else undone.push(...text.settle(result, model));
    }
    queue.putBack(undone);
    if (rest.length > 0) this.#again.halve(request.part(rest));
    this.#up(request);
  }

  /** The service is there: what was sent before and failed was not its fault. */
  #up(request: Request): void {
    const { blamed, pardoned } = this.#outage.over(request);
    for (const doubt of pardoned) this.#again.later(doubt, 0);
    for (const doubt of blamed) this.#blame(doubt);
  }

  #failed(request: Request, error: unknown, sentAt: number): void {
    if (!request.needed) request.queue.putBack(request.rest);
    else if (error instanceof NerError) this.#follow(judge(error, this.#outage.served).next, request, error, sentAt);
    else this.#stop(error);
  }

  #follow(next: Next, request: Request, error: NerError, sentAt: number): void {
    request.error = error;
    if (next === 'stop') this.#stop(error);
    else if (next === 'wait') {
      request.attempts--;
      this.#again.first(request);
    } else if (next === 'slow down') {
      this.#slots.throttled(sentAt);
      this.#busy(request, error);
    } else if (
      next === 'pause briefly' ||
      (next === 'pause' && (error.status === undefined || request.attempts === 1))
    ) {
      this.#again.first(request);
      this.#pause(request, next);
    } else if (next === 'split' ? request.texts.some((it, i) => i > 0 || it.isLong) : this.#isNoNews(request)) {
      this.#blame(request);
    } else if (this.#outage.doubt(request)) this.#pause(request, next);
  }

  /** Whether it is known that a text of it is to blame. Only a text alone needs a witness. */
  #isNoNews({ blames, texts }: Request): boolean {
    return blames > 0 && texts.length > 1 && !this.#outage.begun;
  }

  #busy(request: Request, error: NerError): void {
    const { clock, outageMs } = this.settings;
    const now = clock.now();
    const ms = backOff(++request.throttles, error.retryAfterMs, clock.random());
    this.#busySince ??= now;
    if (now + ms - this.#busySince > outageMs) this.#stop(this.#outage.unavailable(error, this.#busySince));
    else this.#again.later(request, ms);
  }

  #pause(request: Request, next: Next): void {
    try {
      const wait = this.#outage.wait(request, next, this.#number);
      if (wait && wait.ms > 0) this.#tell({ type: 'outage', ...wait, error: request.error as NerError });
    } catch (error) {
      this.#stop(error);
    }
  }

  /** A text of it is to blame. */
  #blame(request: Request): void {
    const error = request.error as NerError;
    if (error.status === 413) this.#sender.refusedBody(request);
    request.queue.putBack(request.rest);
    request.rest = [];
    request.blames++;
    const [text, more] = request.texts.filter(({ over }) => !over);
    const sure = judge(error, this.#outage.served).next === 'split';
    if (!text) return;
    if (more) this.#again.halve(request, sure);
    else if (sure || request.blames >= BLAMES) request.queue.putBack(text.settle(error));
    else this.#again.later(request, backOff(request.blames, undefined, this.settings.clock.random()));
  }

  /** Ends every call. What is not settled by now has no outcome. */
  #stop(error: unknown): void {
    this.#outage.end();
    this.#busySince = undefined;
    this.#again.clear();
    for (const queue of [...this.#queues]) queue.stop(error);
  }

  async #describe(signal: AbortSignal | undefined): Promise<Description> {
    this.#asking++;
    try {
      return await this.#sender.describe(signal);
    } finally {
      this.#asking--;
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

  /** What is called may abort a call: not in the midst of something. */
  #tell(event: NerEvent): void {
    queueMicrotask(() => this.settings.onEvent(event));
  }
}

function closed(): ConfigError {
  return new ConfigError('this client is closed; make a new one');
}
