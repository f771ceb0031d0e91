import type { FunctionError } from './runtime-api.js';

/** One line of the log, of the platform or of the function, as a log stream of CloudWatch would hold it. */
export interface LogEntry {
  /** ISO 8601. */
  time: string;
  /** One stream per execution environment. */
  stream: string;
  line: string;
}

/** Takes the log. Function lines are whatever the function prints. */
export type LogSink = (entry: LogEntry) => void;

/** The figures of one invocation. Times in ms. */
interface Report {
  requestId: string;
  durationMs: number;
  memoryMb: number;
  /** Undefined where the operating system does not say. */
  maxMemoryMb: number | undefined;
  /** Of the environment's first invocation, when its first init succeeded. */
  initMs: number | undefined;
  /** Lambda bills the init of an on-demand environment, and of a provisioned one by its own price. */
  initBilled: boolean;
  error: FunctionError | undefined;
}

/** The type of the error of what took too long. */
export const TIMED_OUT = 'Sandbox.Timedout';

/** The log stream of one execution environment, and what Lambda writes into it. */
export class PlatformLog {
  readonly #sink: LogSink | undefined;

  constructor(
    readonly stream: string,
    sink: LogSink | undefined,
  ) {
    this.#sink = sink;
  }

  /** Writes one line. */
  write(...fields: string[]): void {
    this.#sink?.({ time: new Date().toISOString(), stream: this.stream, line: fields.join('\t') });
  }

  /** Lambda writes this line for an init that failed. */
  initReport(initMs: number, phase: 'init' | 'invoke', error: FunctionError): void {
    this.write(`INIT_REPORT Init Duration: ${initMs.toFixed(2)} ms`, `Phase: ${phase}`, ...status(error));
  }

  end({ requestId, durationMs, memoryMb, maxMemoryMb, initMs, initBilled, error }: Report): void {
    if (error?.errorType === TIMED_OUT) this.write(`${requestId} ${error.errorMessage}`);
    this.write(`END RequestId: ${requestId}`);
    this.write(
      `REPORT RequestId: ${requestId}`,
      `Duration: ${durationMs.toFixed(2)} ms`,
      `Billed Duration: ${Math.ceil(durationMs + (initBilled ? (initMs ?? 0) : 0))} ms`,
      `Memory Size: ${memoryMb} MB`,
      ...(maxMemoryMb === undefined ? [] : [`Max Memory Used: ${maxMemoryMb} MB`]),
      ...(initMs === undefined ? [] : [`Init Duration: ${initMs.toFixed(2)} ms`]),
      ...(error ? status(error) : []),
    );
  }
}

function status({ errorType }: FunctionError): string[] {
  return errorType === TIMED_OUT ? ['Status: timeout'] : ['Status: error', `Error Type: ${errorType}`];
}
