import { randomBytes } from 'node:crypto';
import type { Cgroup } from './cgroup.js';
import type { CpuShare } from './cpu-share.js';
import { type LogSink, PlatformLog, TIMED_OUT } from './platform-log.js';
import type { PythonRuntime } from './python.js';
import { type FunctionError, type InvocationResult, RuntimeApi } from './runtime-api.js';
import { notStarted, RuntimeProcess } from './runtime-process.js';
import type { SlowStore } from './slow-store.js';

/** What may be chosen of a Lambda function's configuration. Times in ms. */
export interface FunctionOptions {
  /**
   * The function's time-out, 1 to 900 s. The function of this project keeps 3 s of it for its answer: give it more.
   * @default 30_000
   */
  timeoutMs?: number | undefined;
  /**
   * Lambda's clocks (10 s of init, the time-out, the idle expiry) and the gateway's time-outs are this many times shorter.
   * The function is told its whole time, as its own clocks are not scaled, and a minute of the gateway stays a minute.
   * @default 1
   */
  timeScale?: number | undefined;
  /**
   * The function's memory size in MB, 128 to 10,240: it has that part of a core which Lambda gives it (a whole one at
   * 1,769). Memory itself is not bounded. Linux, root.
   * @default unbounded CPU, and a function that is told 1769
   */
  memoryMb?: number | undefined;
  /** Takes the log of the platform and of the function. Dropped by default. */
  log?: LogSink | undefined;
}

/** The configuration of the Lambda function, with what bounds its processes. */
export interface FunctionConfig extends FunctionOptions {
  runtime: PythonRuntime;
  /** Folder of the function's code: LAMBDA_TASK_ROOT and the working directory. */
  taskRoot: string;
  handler: string;
  /** The function's own environment variables, on top of those that Lambda sets. */
  variables: Readonly<Record<string, string>>;
  /**
   * An on-demand init that takes longer is cut, and runs once more inside the first invoke.
   * @default 10_000
   */
  initLimitMs?: number;
  store?: SlowStore;
  cpu?: CpuShare;
}

/** What an environment is and does at one moment. */
export interface EnvironmentState {
  /** 32 hex digits, the end of its log stream's name. */
  id: string;
  /** `cold` until its process asked for its first event, which includes a wait for a core. */
  state: 'cold' | 'busy' | 'warm';
  initType: InitType;
  /** Whether it was initialised ahead of need. */
  ahead: boolean;
  /** Since it was made, in ms. */
  ageMs: number;
  /** Requests that it was given. */
  requests: number;
  /** How long its first init took, in ms; undefined until it succeeded, and for ever when it was cut or failed. */
  initMs: number | undefined;
  /** The memory that its process holds now, in MB; undefined off Linux and without a process. */
  rssMb: number | undefined;
}

export type InitType = 'on-demand' | 'provisioned-concurrency';

/** What an environment is initialised for: a request, or ahead of need, unasked or as provisioned concurrency. */
export type Kind = 'on demand' | 'proactive' | 'provisioned';

export const FUNCTION_NAME = 'spacy-ner-service';
export const ACCOUNT_ID = '000000000000';
const REGION = 'us-east-1';
export const FUNCTION_ARN = `arn:aws:lambda:${REGION}:${ACCOUNT_ID}:function:${FUNCTION_NAME}:live`;
// The time limit of an init ahead of need: "130 seconds or the configured function timeout, whichever is higher".
// https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
// Told in the limit of an init on demand, 10 s, so that both are scaled together.
const AHEAD_LIMIT = 13;
const STOPPED: FunctionError = { errorType: 'Sandbox.Stopped', errorMessage: 'the emulator is stopping' };
// An interpreter may need these to find its libraries. Nothing else of the parent's environment is handed on.
const INHERITED = ['PATH', 'LD_LIBRARY_PATH', 'TMPDIR'];

/**
 * One execution environment: one process that serves one request at a time.
 *
 * After a crash or a time-out the environment is spent; Lambda may instead reset the same one.
 */
export class Environment {
  readonly id = randomBytes(16).toString('hex');
  readonly kind: Kind;
  /** The fleet says when it is warm. */
  state: EnvironmentState['state'] | 'gone' = 'cold';
  /** It serves the request that it has, if any, and no other. */
  retired = false;
  /** The timer that ends it for want of requests. */
  expiry: NodeJS.Timeout | undefined;
  initMs: number | undefined;
  requests = 0;
  readonly #madeAt = performance.now();
  readonly #config: FunctionConfig;
  readonly #log: PlatformLog;
  readonly #onExit: (environment: Environment) => void;
  /** The process that was started last. */
  #process: RuntimeProcess | undefined;
  /** Its server, once it is initialised. */
  #api: RuntimeApi | undefined;
  /** Why no process is started any more. */
  #spent: FunctionError | undefined;

  /** @param onExit called when the initialised process ends, for whatever reason */
  constructor(config: FunctionConfig, kind: Kind, onExit: (environment: Environment) => void) {
    this.#config = config;
    this.kind = kind;
    this.#onExit = onExit;
    const day = new Date().toISOString().slice(0, 10).replaceAll('-', '/');
    this.#log = new PlatformLog(`${day}/[1]${this.id}`, config.log);
  }

  get initType(): InitType {
    return this.kind === 'provisioned' ? 'provisioned-concurrency' : 'on-demand';
  }

  /** Whether it is one of those that are kept ahead of need. */
  get kept(): boolean {
    if (this.retired || this.state === 'gone') return false;
    return this.kind === 'provisioned' || (this.kind === 'proactive' && this.requests === 0);
  }

  /** Whether its process is initialised and running. */
  get alive(): boolean {
    return this.#api !== undefined && this.#process?.running === true;
  }

  /**
   * @param state that of an environment which is not gone
   * @param now ms, of `performance.now()`
   */
  describe(state: EnvironmentState['state'], now: number): EnvironmentState {
    const { id, initType, requests, initMs } = this;
    const ahead = this.kind !== 'on demand';
    const [ageMs, rssMb] = [now - this.#madeAt, this.#process?.rssMb];
    return { id, state, initType, ahead, ageMs, requests, initMs, rssMb };
  }

  /**
   * Starts the process and waits until it asks for its first event. Lambda does not cut an init ahead of need at 10 s.
   *
   * @returns the reason when init was cut or failed
   */
  async init(): Promise<FunctionError | undefined> {
    const { initLimitMs = 10_000, timeScale = 1, runtime, store } = this.#config;
    const onDemand = this.kind === 'on demand';
    const scaledMs = initLimitMs / timeScale;
    const limitMs = onDemand ? scaledMs : Math.max(AHEAD_LIMIT * scaledMs, this.#timeoutMs);
    try {
      await store?.forget();
    } catch (error) {
      // Nor by the first invoke: it would read a model that is in the page cache.
      this.#spent ??= notStarted(error);
    }
    const started = performance.now();
    this.#log.write(`INIT_START Runtime Version: python:${runtime.version}`);
    const failure = await this.#within(limitMs, `init was cut after ${seconds(limitMs)}`, () => this.#boot(onDemand));
    const initMs = performance.now() - started;
    if (failure) this.#log.initReport(initMs, 'init', failure);
    else this.initMs = initMs;
    return failure;
  }

  /**
   * Runs one request. An environment whose init was cut or failed is initialised again first, inside the function's
   * time-out, as Lambda does it.
   */
  async invoke(requestId: string, event: string): Promise<InvocationResult> {
    const { timeScale = 1, memoryMb = 1769 } = this.#config;
    const timeoutMs = this.#timeoutMs;
    clearTimeout(this.expiry);
    this.state = 'busy';
    const first = ++this.requests === 1;
    const started = performance.now();
    const deadlineMs = Date.now() + timeoutMs * timeScale;
    this.#log.write(`START RequestId: ${requestId} Version: 1`);
    const timedOut = `Task timed out after ${seconds(timeoutMs)}`;
    const result = await this.#within(timeoutMs, timedOut, async (): Promise<InvocationResult> => {
      const error = this.#api ? undefined : await this.#boot(false);
      if (error) this.#log.initReport(performance.now() - started, 'invoke', error);
      if (!this.#api) return { error: error ?? STOPPED };
      return this.#api.invoke({ requestId, deadlineMs, functionArn: FUNCTION_ARN, event });
    });
    if (this.#config.log) {
      this.#log.end({
        requestId,
        durationMs: performance.now() - started,
        memoryMb,
        maxMemoryMb: this.#process?.peakMb(),
        initMs: first ? this.initMs : undefined,
        initBilled: this.initType === 'on-demand',
        error: 'error' in result ? result.error : undefined,
      });
    }
    return result;
  }

  /** The last line that the function wrote on stderr, if any. */
  get lastError(): string {
    return this.#process?.lastError ?? '';
  }

  /** Kills the process. Settles when it is gone; what waited for it gets an error. */
  async stop(): Promise<void> {
    clearTimeout(this.expiry);
    this.state = 'gone';
    this.#spent = STOPPED;
    await this.#process?.kill(STOPPED);
  }

  get #timeoutMs(): number {
    const { timeoutMs = 30_000, timeScale = 1 } = this.#config;
    return timeoutMs / timeScale;
  }

  /** @param boosted an init on demand, for which Lambda gives more CPU than the function has later */
  async #boot(boosted: boolean): Promise<FunctionError | undefined> {
    if (this.#spent) return this.#spent;
    const { runtime, taskRoot, handler, store, cpu } = this.#config;
    let share: Cgroup | undefined;
    try {
      share = cpu?.group(boosted);
    } catch (error) {
      return notStarted(error);
    }
    // Where a process is in one group alone, its share of CPU is one within the store's.
    const groups = share?.unified ? [share] : [store?.group, share].filter((group) => group !== undefined);
    const started = new RuntimeProcess(
      { file: runtime.python, args: [...runtime.args, handler], cwd: taskRoot, variables: this.#variables(), groups },
      (line) => this.#log.write(line),
    );
    this.#process = started;
    void started.ended.then(() => share && cpu?.release(share));
    const ready = await started.ready;
    if (!(ready instanceof RuntimeApi)) {
      await started.kill(ready);
      return ready;
    }
    if (share) cpu?.settle(share);
    this.#api = ready;
    void started.ended.then(() => this.#onExit(this));
    return undefined;
  }

  async #within<T>(limitMs: number, errorMessage: string, task: () => Promise<T>): Promise<T> {
    const timer = setTimeout(() => void this.#process?.kill({ errorType: TIMED_OUT, errorMessage }), limitMs);
    try {
      return await task();
    } finally {
      clearTimeout(timer);
    }
  }

  /** @see https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime */
  #variables(): Record<string, string> {
    const { runtime, taskRoot, handler, variables, memoryMb = 1769 } = this.#config;
    const inherited = INHERITED.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : []));
    return {
      ...Object.fromEntries(inherited),
      LANG: 'en_US.UTF-8',
      TZ: ':UTC',
      _HANDLER: handler,
      LAMBDA_TASK_ROOT: taskRoot,
      AWS_REGION: REGION,
      AWS_DEFAULT_REGION: REGION,
      AWS_EXECUTION_ENV: `AWS_Lambda_python${runtime.version}`,
      AWS_LAMBDA_FUNCTION_NAME: FUNCTION_NAME,
      AWS_LAMBDA_FUNCTION_VERSION: '1',
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(memoryMb),
      AWS_LAMBDA_INITIALIZATION_TYPE: this.initType,
      AWS_LAMBDA_LOG_GROUP_NAME: `/aws/lambda/${FUNCTION_NAME}`,
      AWS_LAMBDA_LOG_STREAM_NAME: this.#log.stream,
      ...variables,
    };
  }
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} seconds`;
}
