import { availableParallelism } from 'node:os';
import pLimit, { type LimitFunction } from 'p-limit';
import { Environment, type EnvironmentState, type FunctionConfig, type InitType, type Kind } from './environment.js';
import type { FunctionError, InvocationResult } from './runtime-api.js';

/**
 * What happens to environments and requests, as it happens. A function error comes without its message, which could
 * quote the document.
 */
export type LambdaEvent =
  | { event: 'cold start'; environment: string; initMs: number }
  | { event: 'initialised ahead'; environment: string; initMs: number; initType: InitType }
  | { event: 'init failed'; environment: string; error: FunctionError }
  | { event: 'function error'; environment: string; requestId: string; errorType: string }
  | { event: 'throttled'; requestId: string }
  | { event: 'environment expired' | 'environment lost'; environment: string }
  | { event: 'restart'; environments: number };

export interface FleetOptions {
  /**
   * Reserved concurrency: requests that run at once; one more is throttled.
   * @default 20
   */
  reserved?: number | undefined;
  /**
   * Provisioned concurrency: environments initialised ahead that never expire; one that ends is replaced. At most
   * `reserved`.
   * @default 0
   */
  provisioned?: number | undefined;
  /**
   * Environments kept initialised ahead of need, as Lambda does it unasked: of the type on-demand, never cut at 10 s, and
   * not found by a request yet, which then is not cold. When a request takes one, or it dies, another is initialised. They
   * do not expire before their first request.
   * @default 0
   */
  proactive?: number | undefined;
  /**
   * How long an idle on-demand environment is kept, in ms. Lambda names no figure.
   * @default 300_000
   */
  idleMs?: number | undefined;
  /**
   * Environments that initialise at once; others wait before their process starts. On AWS every environment has a CPU
   * of its own; here the init clock would otherwise measure how they fight for this machine's. Waiting is part of the
   * request: where a start takes long and many wait, the last can reach the gateway's read time-out (its 504).
   * @default the number of cores, at least 2
   */
  startsAtOnce?: number | undefined;
  onEvent?: ((event: LambdaEvent) => void) | undefined;
}

/** The function did not initialise ahead of need. The message is one sentence with the function's own last words. */
export class InitFailed extends Error {
  override name = 'InitFailed';

  constructor(
    lastWords: string,
    /** The environment's id. */
    readonly environment: string,
  ) {
    super(`the function does not start: ${lastWords}`);
  }
}

/** The execution environments of one function, and which of them a request gets. */
export class Fleet {
  readonly #config: FunctionConfig;
  readonly #options: FleetOptions;
  readonly #starts: LimitFunction;
  /** The most recently used last. */
  readonly #all = new Set<Environment>();
  #inFlight = 0;
  #closed = false;

  constructor(config: FunctionConfig, options: FleetOptions = {}) {
    this.#config = config;
    this.#options = options;
    this.#starts = pLimit(options.startsAtOnce ?? Math.max(2, availableParallelism()));
  }

  /** Every environment, the oldest first. */
  get environments(): EnvironmentState[] {
    // One moment for all: two are often made within microseconds.
    const now = performance.now();
    const states = [...this.#all].flatMap((each) => (each.state === 'gone' ? [] : [each.describe(each.state, now)]));
    return states.sort((a, b) => b.ageMs - a.ageMs);
  }

  /**
   * Initialises what is kept ahead of need. Where that is nothing, one environment is initialised and ended again, so
   * that a function that cannot start is known before the first request and not by it.
   *
   * @throws {InitFailed}
   */
  async start(): Promise<void> {
    const { provisioned = 0, proactive = 0 } = this.#options;
    if (provisioned + proactive > 0) return this.#fill();
    const environment = this.#create('proactive');
    await this.#initAhead(environment);
    await this.#end(environment);
  }

  /**
   * Runs one request in an idle environment: a provisioned one, else the most recently used, else one initialised ahead
   * of need. When none is idle, in a new one that it then waits for.
   *
   * @param event JSON
   * @returns nothing when `reserved` requests are running
   */
  async invoke(requestId: string, event: string): Promise<InvocationResult | undefined> {
    if (this.#inFlight >= (this.#options.reserved ?? 20)) {
      this.#emit({ event: 'throttled', requestId });
      return undefined;
    }
    this.#inFlight++;
    try {
      const environment = this.#takeIdle() ?? (await this.#coldStart());
      const running = environment.invoke(requestId, event);
      // It is no longer one that no request has found.
      if (environment.kind === 'proactive' && environment.requests === 1) this.#refill();
      const result = await running;
      if ('error' in result) {
        const { errorType } = result.error;
        this.#emit({ event: 'function error', environment: environment.id, requestId, errorType });
      }
      if (!environment.alive) this.#lost(environment);
      else if (environment.retired) void this.#end(environment);
      else this.#park(environment);
      return result;
    } finally {
      this.#inFlight--;
    }
  }

  /**
   * Replaces every environment, as Lambda does when the function's configuration is updated: idle ones end at once, busy
   * ones after their request, and what is kept ahead of need is initialised anew. Settles when the idle ones are gone and
   * the new ones ready.
   *
   * @throws {InitFailed}
   */
  async restart(): Promise<void> {
    const old = [...this.#all].filter(({ state, retired }) => state !== 'gone' && !retired);
    for (const environment of old) environment.retired = true;
    this.#emit({ event: 'restart', environments: old.length });
    await Promise.all(old.filter(({ state }) => state === 'warm').map((environment) => this.#end(environment)));
    await this.#fill();
  }

  /** Ends every environment, whatever it does. Settles when no process is left. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#all].map((environment) => this.#end(environment)));
  }

  #takeIdle(): Environment | undefined {
    // One whose process has just ended stays warm until its sockets are closed.
    const idle = [...this.#all].filter(({ state, alive }) => state === 'warm' && alive);
    const provisioned = idle.findLast(({ kind }) => kind === 'provisioned');
    return provisioned ?? idle.findLast(({ requests }) => requests > 0) ?? idle.at(-1);
  }

  async #coldStart(): Promise<Environment> {
    const environment = this.#create('on demand');
    // A failure is not the end: the first invoke initialises once more.
    const error = await this.#starts(() => environment.init());
    if (error) this.#emit({ event: 'init failed', environment: environment.id, error });
    else this.#emit({ event: 'cold start', environment: environment.id, initMs: environment.initMs ?? 0 });
    return environment;
  }

  /** Initialises what is missing of the environments that are kept ahead of need. */
  async #fill(): Promise<void> {
    const missing = (kind: Kind, wanted = 0) => {
      const there = [...this.#all].filter((each) => each.kind === kind && each.kept);
      return Array.from({ length: Math.max(0, wanted - there.length) }, () => this.#startAhead(kind));
    };
    const { provisioned, proactive } = this.#options;
    await Promise.all([...missing('provisioned', provisioned), ...missing('proactive', proactive)]);
  }

  /** The same for one that was taken or died: nobody waits for it. */
  #refill(): void {
    this.#fill().catch(({ environment, name, message }: InitFailed) => {
      this.#emit({ event: 'init failed', environment, error: { errorType: name, errorMessage: message } });
    });
  }

  async #startAhead(kind: Kind): Promise<void> {
    const environment = this.#create(kind);
    await this.#initAhead(environment);
    if (environment.retired) return this.#end(environment);
    this.#park(environment);
    const { id, initMs = 0, initType } = environment;
    this.#emit({ event: 'initialised ahead', environment: id, initMs, initType });
  }

  async #initAhead(environment: Environment): Promise<void> {
    const error = await this.#starts(() => environment.init());
    if (!error) return;
    this.#all.delete(environment);
    const lastWords = error.errorType === 'Runtime.ExitError' ? environment.lastError : '';
    throw new InitFailed(lastWords || error.errorMessage, environment.id);
  }

  #create(kind: Kind): Environment {
    const environment = new Environment(this.#config, kind, (ended) => this.#exited(ended));
    this.#all.add(environment);
    // Created while the fleet closes: it must not start a process.
    if (this.#closed) void environment.stop();
    return environment;
  }

  #park(environment: Environment): void {
    environment.state = 'warm';
    this.#all.delete(environment);
    this.#all.add(environment);
    if (environment.kept) return;
    const expire = () => {
      this.#emit({ event: 'environment expired', environment: environment.id });
      void this.#end(environment);
    };
    const { idleMs = 300_000 } = this.#options;
    const { timeScale = 1 } = this.#config;
    // Node's timers end at once beyond that.
    environment.expiry = setTimeout(expire, Math.min(idleMs / timeScale, 2 ** 31 - 1));
  }

  /** A busy environment is looked at when its request ends; an idle one must not be given to the next request. */
  #exited(environment: Environment): void {
    if (environment.state !== 'warm') return;
    this.#emit({ event: 'environment lost', environment: environment.id });
    this.#lost(environment);
  }

  #lost(environment: Environment): void {
    clearTimeout(environment.expiry);
    this.#all.delete(environment);
    if (!this.#closed) this.#refill();
  }

  async #end(environment: Environment): Promise<void> {
    await environment.stop();
    this.#all.delete(environment);
  }

  #emit(event: LambdaEvent): void {
    if (!this.#closed) this.#options.onEvent?.(event);
  }
}
