import { randomBytes } from 'node:crypto';
import type { Cgroup } from './cgroup.js';
import type { CpuShare } from './cpu-share.js';
import {
  endLine,
  type Failure,
  initReportLine,
  initStartLine,
  type LogSink,
  memoryMb,
  reportLine,
  startLine,
} from './platform-log.js';
import type { PythonRuntime } from './python.js';
import type { FunctionError, InvocationResult } from './runtime-api.js';
import { RuntimeProcess } from './runtime-process.js';
import type { SlowStore } from './slow-store.js';

/** The configuration of the Lambda function. Times in ms. */
export interface FunctionConfig {
  runtime: PythonRuntime;
  /** Folder of the function's code: LAMBDA_TASK_ROOT and the working directory. */
  taskRoot: string;
  handler: string;
  /** The function's own environment variables, on top of those that Lambda sets. */
  variables: Readonly<Record<string, string>>;
  /** @default 30_000 */
  timeoutMs?: number;
  /**
   * An on-demand init that takes longer is cut, and runs once more inside the first invoke.
   * @default 10_000
   */
  initLimitMs?: number;
  /**
   * Both limits, and the fleet's idle expiry, are this many times shorter. The function is told its whole time: its own
   * clocks are not scaled.
   * @default 1
   */
  timeScale?: number;
  /**
   * In MB; told to the function and to the log.
   * @default 1769
   */
  memoryMb?: number;
  /** Bounds how fast the processes read code and model. */
  store?: SlowStore | undefined;
  /** Bounds the processes' CPU. */
  cpu?: CpuShare | undefined;
  log?: LogSink | undefined;
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
  /** How long its init took, in ms; undefined until it succeeded, and for ever when it was cut or failed. */
  initMs: number | undefined;
  /** The memory that its process holds now, in MB; undefined off Linux and without a process. */
  rssMb: number | undefined;
}

export type InitType = 'on-demand' | 'provisioned-concurrency';

export const FUNCTION_NAME = 'spacy-ner-service';
export const ACCOUNT_ID = '000000000000';
const REGION = 'us-east-1';
export const FUNCTION_ARN = `arn:aws:lambda:${REGION}:${ACCOUNT_ID}:function:${FUNCTION_NAME}:live`;
// The time limit of an init ahead of need: "130 seconds or the configured function timeout, whichever is higher".
// https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
// Told in the limit of an init on demand, 10 s, so that both are scaled together.
const AHEAD_LIMIT = 13;
const TIMED_OUT = 'Sandbox.Timedout';
const STOPPED: FunctionError = { errorType: 'Sandbox.Stopped', errorMessage: 'the emulator is stopping' };
// An interpreter may need these to find its libraries. Nothing else of the parent's environment is handed on.
const INHERITED = ['PATH', 'LD_LIBRARY_PATH', 'TMPDIR'];

/**
 * One execution environment: one process that serves one request at a time.
 *
 * After a crash or a time-out the environment is spent; Lambda may instead reset the same one.
 */
export class Environment {
  readonly initType: InitType;
  /** 32 hex digits, the end of its log stream's name. */
  readonly id = randomBytes(16).toString('hex');
  /** How long the first init took, in ms; undefined until it succeeded, and for ever when it was cut or failed. */
  initMs: number | undefined;
  /** Requests that it was given. */
  requests = 0;
  readonly #madeAt = performance.now();
  readonly #config: FunctionConfig;
  readonly #stream: string;
  readonly #onExit: (environment: Environment) => void;
  #process: Promise<RuntimeProcess | undefined> | undefined;
  /** The process that was started last. */
  #started: RuntimeProcess | undefined;
  /** The process, once it is initialised. */
  #ready: RuntimeProcess | undefined;
  #ahead = false;
  /** Why no process is started any more. */
  #spent: FunctionError | undefined;
  #initReported = false;
  #maxMemoryMb: number | undefined;

  /** @param onExit called when the initialised process ends, for whatever reason */
  constructor(config: FunctionConfig, initType: InitType, onExit: (environment: Environment) => void) {
    this.#config = config;
    this.initType = initType;
    this.#onExit = onExit;
    this.#stream = `${new Date().toISOString().slice(0, 10).replaceAll('-', '/')}/[1]${this.id}`;
  }

  /** Whether its process is initialised and running. */
  get alive(): boolean {
    return this.#ready?.running ?? false;
  }

  /** @param state what the fleet knows it does */
  describe(state: EnvironmentState['state']): EnvironmentState {
    const { id, initType, requests, initMs } = this;
    const ahead = this.#ahead;
    const rssMb = memoryMb(this.#started?.pid, 'VmRSS');
    return { id, state, initType, ahead, ageMs: performance.now() - this.#madeAt, requests, initMs, rssMb };
  }

  /**
   * Starts the process and waits until it asks for its first event.
   *
   * @param ahead an init ahead of need, which Lambda does not cut at 10 s
   * @returns the reason when init was cut or failed
   */
  async init(ahead: boolean): Promise<FunctionError | undefined> {
    const { initLimitMs = 10_000, timeScale = 1 } = this.#config;
    const limitMs = ahead
      ? Math.max((AHEAD_LIMIT * initLimitMs) / timeScale, this.#timeoutMs)
      : initLimitMs / timeScale;
    this.#ahead = ahead;
    try {
      await this.#config.store?.forget();
    } catch (error) {
      // Nor by the first invoke: it would read a model that is in the page cache.
      this.#spent ??= notStarted(error);
    }
    const started = performance.now();
    this.#write(initStartLine(this.#config.runtime.version));
    const failure = await this.#within(limitMs, `init was cut after ${seconds(limitMs)}`, () => this.#boot(!ahead));
    const initMs = performance.now() - started;
    if (failure) this.#write(initReportLine(initMs, 'init', describe(failure)));
    else this.initMs = initMs;
    return failure;
  }

  /**
   * Runs one request. An environment whose init was cut or failed is initialised again first, inside the function's
   * time-out, as Lambda does it.
   */
  async invoke(requestId: string, event: string): Promise<InvocationResult> {
    const timeoutMs = this.#timeoutMs;
    this.requests++;
    const started = performance.now();
    const deadlineMs = Date.now() + timeoutMs * (this.#config.timeScale ?? 1);
    this.#write(startLine(requestId));
    const timedOut = `Task timed out after ${seconds(timeoutMs)}`;
    const result = await this.#within(timeoutMs, timedOut, async () => {
      const failure = this.#ready ? undefined : await this.#boot(false);
      if (!this.#ready) {
        const error = failure ?? STOPPED;
        this.#write(initReportLine(performance.now() - started, 'invoke', describe(error)));
        return { error };
      }
      return this.#ready.api.invoke({ requestId, deadlineMs, functionArn: FUNCTION_ARN, event });
    });
    const durationMs = performance.now() - started;
    if (this.#config.log) {
      await this.#measureMemory();
      if ('error' in result && result.error.errorType === TIMED_OUT) this.#write(`${requestId} ${timedOut}`);
      this.#write(endLine(requestId));
      this.#write(
        reportLine({
          requestId,
          durationMs,
          memoryMb: this.#config.memoryMb ?? 1769,
          maxMemoryMb: this.#maxMemoryMb,
          initMs: this.#initReported ? undefined : this.initMs,
          initBilled: this.initType === 'on-demand',
          ...('error' in result && { failure: describe(result.error) }),
        }),
      );
      this.#initReported = true;
    }
    return result;
  }

  /** The last line that the function wrote on stderr, if any. */
  async lastError(): Promise<string> {
    return (await this.#process)?.lastError ?? '';
  }

  /** Kills the process. Settles when it is gone; what waited for it gets an error. */
  async stop(): Promise<void> {
    this.#spent = STOPPED;
    await this.#kill(STOPPED);
  }

  get #timeoutMs(): number {
    const { timeoutMs = 30_000, timeScale = 1 } = this.#config;
    return timeoutMs / timeScale;
  }

  /** @param boosted an init on demand, for which Lambda gives more CPU than the function has later */
  async #boot(boosted: boolean): Promise<FunctionError | undefined> {
    if (this.#spent) return this.#spent;
    const { runtime, taskRoot, handler, store, cpu } = this.#config;
    const args = [...runtime.args, handler];
    let share: Cgroup | undefined;
    const starting = RuntimeProcess.start(
      { file: runtime.python, args, cwd: taskRoot, variables: this.#variables() },
      (line) => this.#write(line),
      (pid) => {
        share = cpu?.group(boosted);
        // Where a process is in one group alone, its share of CPU is one within the store's.
        if (!share?.unified) store?.group.add(pid);
        share?.add(pid);
      },
    );
    this.#process = starting.catch(() => undefined);
    let started: RuntimeProcess;
    try {
      started = await starting;
    } catch (error) {
      return notStarted(error);
    }
    this.#started = started;
    void started.ended.then(() => share && cpu?.release(share));
    // stop() may have come while the server began to listen: it then kills this process as well.
    const failure = await started.api.ready;
    if (failure) {
      await started.kill(failure);
      return failure;
    }
    if (share) cpu?.settle(share);
    this.#ready = started;
    void started.ended.then(() => this.#onExit(this));
    return undefined;
  }

  async #within<T>(limitMs: number, errorMessage: string, task: () => Promise<T>): Promise<T> {
    const timer = setTimeout(() => void this.#kill({ errorType: TIMED_OUT, errorMessage }), limitMs);
    try {
      return await task();
    } finally {
      clearTimeout(timer);
    }
  }

  async #kill(reason: FunctionError): Promise<void> {
    await this.#measureMemory();
    await (await this.#process)?.kill(reason);
  }

  async #measureMemory(): Promise<void> {
    if (this.#config.log) {
      this.#maxMemoryMb = memoryMb((await this.#process)?.pid, 'VmHWM') ?? this.#maxMemoryMb;
    }
  }

  #write(line: string): void {
    this.#config.log?.({ time: new Date().toISOString(), stream: this.#stream, line });
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
      AWS_LAMBDA_LOG_STREAM_NAME: this.#stream,
      ...variables,
    };
  }
}

/** What this machine refused: a socket, or the model's store. */
function notStarted(error: unknown): FunctionError {
  return { errorType: 'Sandbox.NotStarted', errorMessage: (error as Error).message };
}

function describe({ errorType }: FunctionError): Failure {
  return errorType === TIMED_OUT ? { status: 'timeout' } : { status: 'error', errorType };
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} seconds`;
}
