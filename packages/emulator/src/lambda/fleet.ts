import { availableParallelism } from 'node:os';
import { Environment, type EnvironmentState, type FunctionConfig, type InitType } from './environment.js';
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
  | { event: 'environment expired'; environment: string }
  | { event: 'environment lost'; environment: string }
  | { event: 'restart'; environments: number };

export interface FleetOptions {
  /**
   * Requests that may run at once; one more is throttled.
   * @default 20
   */
  reserved?: number;
  /**
   * Environments kept initialised ahead of need: of the type on-demand, never cut at 10 s, not found by a request yet.
   * When a request takes one, or it dies, another is initialised. They do not expire before their first request.
   * @default 0
   */
  proactive?: number;
  /**
   * How long an idle on-demand environment is kept, in ms. Lambda names no figure.
   * @default 300_000
   */
  idleMs?: number;
  /**
   * Environments that initialise at once; others wait before their process starts. On AWS every environment has a CPU
   * of its own; here the init clock would otherwise measure how they fight for this machine's. Waiting is part of the
   * request: where a start takes long and many wait, the last can reach the gateway's read time-out (its 504).
   * @default the number of cores, at least 2
   */
  startsAtOnce?: number;
  onEvent?: ((event: LambdaEvent) => void) | undefined;
}

export interface FleetStats {
  /** Environments by what they do now. `starting` includes those that wait for a core. */
  environments: { starting: number; busy: number; idle: number };
  /** Requests taken, throttled ones not among them. */
  requests: number;
  /** Requests for which an environment was initialised on demand. */
  coldStarts: number;
  throttled: number;
  functionErrors: number;
}

/** Reserved concurrency is used up. */
export class Throttled extends Error {
  override name = 'Throttled';
}

/** The function did not initialise ahead of need. The message is one sentence with the function's own last words. */
export class InitFailed extends Error {
  override name = 'InitFailed';
}

/** The execution environments of one function, and which of them a request gets. */
export class Fleet {
  readonly #config: FunctionConfig;
  readonly #options: FleetOptions;
  readonly #starts: Turnstile;
  readonly #all = new Set<Environment>();
  /** The most recently used last. */
  readonly #idle: { environment: Environment; expiry?: NodeJS.Timeout }[] = [];
  /** Initialised ahead of need, or about to be, and not found by a request yet. */
  readonly #proactive = new Set<Environment>();
  /** Serve the request that they have, if any, and no other. */
  readonly #retired = new WeakSet<Environment>();
  #starting = 0;
  #inFlight = 0;
  #requests = 0;
  #coldStarts = 0;
  #throttled = 0;
  #functionErrors = 0;
  #closed = false;

  constructor(config: FunctionConfig, options: FleetOptions = {}) {
    this.#config = config;
    this.#options = options;
    this.#starts = new Turnstile(options.startsAtOnce ?? Math.max(2, availableParallelism()));
  }

  get stats(): FleetStats {
    return {
      environments: { starting: this.#starting, busy: this.#inFlight - this.#starting, idle: this.#idle.length },
      requests: this.#requests,
      coldStarts: this.#coldStarts,
      throttled: this.#throttled,
      functionErrors: this.#functionErrors,
    };
  }

  /** Every environment, the oldest first. */
  get environments(): EnvironmentState[] {
    const idle = new Set(this.#idle.map(({ environment }) => environment));
    return [...this.#all].map((environment) =>
      environment.describe(idle.has(environment) ? 'warm' : environment.requests > 0 ? 'busy' : 'cold'),
    );
  }

  /**
   * Initialises one environment and ends it again, so that a function that cannot start is known before the first
   * request and not by it.
   *
   * @throws {InitFailed}
   */
  async check(): Promise<void> {
    const environment = this.#create('on-demand');
    await this.#initAhead(environment);
    await this.#end(environment);
  }

  /**
   * Initialises environments ahead of need; they never expire, and one that ends is replaced.
   *
   * @throws {InitFailed}
   */
  async provision(count: number): Promise<void> {
    await Promise.all(Array.from({ length: count }, () => this.#startAhead('provisioned-concurrency')));
  }

  /**
   * Initialises what `proactive` asks for.
   *
   * @throws {InitFailed}
   */
  async fillProactive(): Promise<void> {
    const missing = Math.max(0, (this.#options.proactive ?? 0) - this.#proactive.size);
    await Promise.all(Array.from({ length: missing }, () => this.#startAhead('on-demand')));
  }

  /**
   * Runs one request in an idle environment: a provisioned one, else the most recently used, else one initialised ahead
   * of need. When none is idle, in a new one that it then waits for.
   *
   * @param event JSON
   * @throws {Throttled} when `reserved` requests are running
   */
  async invoke(requestId: string, event: string): Promise<InvocationResult> {
    if (this.#inFlight >= (this.#options.reserved ?? 20)) {
      this.#throttled++;
      this.#emit({ event: 'throttled', requestId });
      throw new Throttled('reserved concurrency is used up');
    }
    this.#requests++;
    this.#inFlight++;
    try {
      const environment = this.#takeIdle() ?? (await this.#coldStart());
      const result = await environment.invoke(requestId, event);
      if ('error' in result) {
        this.#functionErrors++;
        const { errorType } = result.error;
        this.#emit({ event: 'function error', environment: environment.id, requestId, errorType });
      }
      if (!environment.alive) this.#lost(environment);
      else if (this.#retired.has(environment)) void this.#end(environment);
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
    const old = [...this.#all].filter((environment) => !this.#retired.has(environment));
    const provisioned = old.filter(({ initType }) => initType !== 'on-demand').length;
    const idle = this.#idle.map(({ environment }) => environment);
    for (const environment of old) this.#retired.add(environment);
    this.#proactive.clear();
    this.#emit({ event: 'restart', environments: old.length });
    await Promise.all(idle.map((environment) => this.#end(environment)));
    await Promise.all([this.provision(provisioned), this.fillProactive()]);
  }

  /** Ends every environment, whatever it does. Settles when no process is left. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#all].map((environment) => this.#end(environment)));
  }

  #takeIdle(): Environment | undefined {
    // One whose process has just ended stays parked until its sockets are closed.
    const alive = this.#idle.map(({ environment }) => environment).filter((environment) => environment.alive);
    const taken = alive.findLast(({ initType }) => initType !== 'on-demand') ?? alive.at(-1);
    if (!taken) return undefined;
    this.#unpark(taken);
    if (this.#proactive.delete(taken)) this.#inBackground(taken, this.fillProactive());
    return taken;
  }

  async #coldStart(): Promise<Environment> {
    this.#coldStarts++;
    this.#starting++;
    const environment = this.#create('on-demand');
    try {
      // A failure is not the end: the first invoke initialises once more.
      const error = await this.#starts.pass(() => environment.init(false));
      if (error) this.#emit({ event: 'init failed', environment: environment.id, error });
      else this.#emit({ event: 'cold start', environment: environment.id, initMs: environment.initMs ?? 0 });
      return environment;
    } finally {
      this.#starting--;
    }
  }

  async #startAhead(initType: InitType): Promise<void> {
    const environment = this.#create(initType);
    if (initType === 'on-demand') this.#proactive.add(environment);
    await this.#initAhead(environment);
    if (this.#retired.has(environment)) return this.#end(environment);
    this.#park(environment);
    this.#emit({ event: 'initialised ahead', environment: environment.id, initMs: environment.initMs ?? 0, initType });
  }

  async #initAhead(environment: Environment): Promise<void> {
    const error = await this.#starts.pass(() => environment.init(true));
    if (!error) return;
    this.#all.delete(environment);
    this.#proactive.delete(environment);
    const lastWords = error.errorType === 'Runtime.ExitError' ? await environment.lastError() : '';
    throw new InitFailed(`the function does not start: ${lastWords || error.errorMessage}`);
  }

  #create(initType: InitType): Environment {
    const environment = new Environment(this.#config, initType, (ended) => this.#exited(ended));
    this.#all.add(environment);
    // Created while the fleet closes: it must not start a process.
    if (this.#closed) void environment.stop();
    return environment;
  }

  #park(environment: Environment): void {
    if (this.#proactive.has(environment)) {
      this.#idle.unshift({ environment });
      return;
    }
    if (environment.initType !== 'on-demand') {
      this.#idle.push({ environment });
      return;
    }
    const expiry = setTimeout(
      () => {
        this.#emit({ event: 'environment expired', environment: environment.id });
        void this.#end(environment);
      },
      // Node's timers end at once beyond that.
      Math.min((this.#options.idleMs ?? 300_000) / (this.#config.timeScale ?? 1), 2 ** 31 - 1),
    );
    this.#idle.push({ environment, expiry });
  }

  /** A busy environment is looked at when its request ends; an idle one must not be given to the next request. */
  #exited(environment: Environment): void {
    if (!this.#unpark(environment)) return;
    this.#emit({ event: 'environment lost', environment: environment.id });
    this.#lost(environment);
  }

  #lost(environment: Environment): void {
    this.#all.delete(environment);
    if (this.#closed || this.#retired.has(environment)) return;
    if (environment.initType !== 'on-demand') this.#inBackground(environment, this.provision(1));
    else if (this.#proactive.delete(environment)) this.#inBackground(environment, this.fillProactive());
  }

  /** @param replaced the environment whose place is filled */
  #inBackground(replaced: Environment, work: Promise<void>): void {
    work.catch((error: Error) => {
      const failure = { errorType: error.name, errorMessage: error.message };
      this.#emit({ event: 'init failed', environment: replaced.id, error: failure });
    });
  }

  async #end(environment: Environment): Promise<void> {
    this.#unpark(environment);
    await environment.stop();
    this.#all.delete(environment);
  }

  #unpark(environment: Environment): boolean {
    const index = this.#idle.findIndex((idle) => idle.environment === environment);
    if (index < 0) return false;
    clearTimeout(this.#idle.splice(index, 1)[0]?.expiry);
    return true;
  }

  #emit(event: LambdaEvent): void {
    if (!this.#closed) this.#options.onEvent?.(event);
  }
}

/** Lets so many through at once, in the order they came. */
class Turnstile {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(width: number) {
    this.#free = width;
  }

  async pass<T>(task: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await task();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free++;
    }
  }
}
