import { readFileSync } from 'node:fs';

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

/** How a phase ended when it did not end well. */
export interface Failure {
  status: 'timeout' | 'error';
  errorType?: string;
}

/** The figures of one invocation. Times in ms. */
export interface Report {
  requestId: string;
  durationMs: number;
  memoryMb: number;
  /** Undefined where the operating system does not say. */
  maxMemoryMb: number | undefined;
  /** Of the environment's first invocation, when its first init succeeded. */
  initMs: number | undefined;
  /** Lambda bills the init of an on-demand environment, and of a provisioned one by its own price. */
  initBilled: boolean;
  failure?: Failure;
}

export function initStartLine(pythonVersion: string): string {
  return `INIT_START Runtime Version: python:${pythonVersion}`;
}

/** Lambda writes this line for an init that failed. */
export function initReportLine(initMs: number, phase: 'init' | 'invoke', failure: Failure): string {
  return [`INIT_REPORT Init Duration: ${initMs.toFixed(2)} ms`, `Phase: ${phase}`, ...failureFields(failure)].join(
    '\t',
  );
}

export function startLine(requestId: string): string {
  return `START RequestId: ${requestId} Version: 1`;
}

export function endLine(requestId: string): string {
  return `END RequestId: ${requestId}`;
}

export function reportLine(report: Report): string {
  const { requestId, durationMs, memoryMb, maxMemoryMb, initMs, initBilled, failure } = report;
  return [
    `REPORT RequestId: ${requestId}`,
    `Duration: ${durationMs.toFixed(2)} ms`,
    `Billed Duration: ${Math.ceil(durationMs + (initBilled ? (initMs ?? 0) : 0))} ms`,
    `Memory Size: ${memoryMb} MB`,
    ...(maxMemoryMb === undefined ? [] : [`Max Memory Used: ${maxMemoryMb} MB`]),
    ...(initMs === undefined ? [] : [`Init Duration: ${initMs.toFixed(2)} ms`]),
    ...(failure ? failureFields(failure) : []),
  ].join('\t');
}

/**
 * Memory of a process in MB; undefined off Linux and for a process that is gone.
 *
 * @param which the most that it has held, or what it holds now
 */
export function memoryMb(pid: number | undefined, which: 'VmHWM' | 'VmRSS'): number | undefined {
  try {
    const kib = new RegExp(`^${which}:\\s+(\\d+) kB$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return kib === undefined ? undefined : Math.ceil(Number(kib) / 1024);
  } catch {
    return undefined;
  }
}

function failureFields({ status, errorType }: Failure): string[] {
  return [`Status: ${status}`, ...(errorType && status === 'error' ? [`Error Type: ${errorType}`] : [])];
}
