import { InputError } from '../input-error.js';
import type { CrossCheck } from '../load/cross-check.js';
import { caveats } from '../report/caveats.js';
import { formatMs } from '../report/quantity.js';
import { verdict } from '../report/sentences.js';
import { terminalReport } from '../report/terminal.js';
import type { Run } from '../run/run-file.js';
import { type Judgement, judge } from '../statistics/judgement.js';
import { type Summary, summaryOf } from '../statistics/summary.js';
import { exitCode, type Threshold } from '../statistics/threshold.js';
import { writePage } from './page.js';

export interface PresentOptions {
  /** One JSON object in place of the report for people. */
  json?: true | undefined;
  /** Where to write a report of one HTML file. */
  html?: string | undefined;
  failIf: readonly Threshold[];
  /** What autocannon says of the same target, or why it would say something wrong. */
  crossCheck?: CrossCheck | string | undefined;
}

/**
 * Prints what came of a run, judges it, and returns the exit code: 1 when a threshold is broken or no request succeeded,
 * 2 when one is undecided, else 0.
 *
 * @throws {InputError} when the HTML file cannot be written, or nothing is broken and a threshold is about what the run
 * does not have
 */
export async function present(run: Run, { json, html, failIf, crossCheck }: PresentOptions): Promise<number> {
  const summary = summaryOf(run);
  const judgements: Judgement[] = [];
  // What was measured, and what could be judged, is printed all the same.
  const problems: string[] = [];
  for (const threshold of failIf) {
    try {
      judgements.push(judge(threshold, run, summary));
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      problems.push(error.message);
    }
  }
  if (json) {
    process.stdout.write(`${JSON.stringify({ ...jsonReport(run, summary), thresholds: judgements, crossCheck })}\n`);
  } else {
    const checked = crossCheck ? crossed(crossCheck, summary) : '';
    const judged = judgements.map(({ failIf, verdict, sentence }) => `${verdict}: fail if ${failIf}: ${sentence}\n`);
    process.stdout.write(`\n${terminalReport(run, summary)}${checked}${judged.join('')}`);
  }
  if (html !== undefined) await writePage(html, run, summary);
  return settle(summary.outcomes.ok === 0 ? 1 : exitCode(judgements.map(({ verdict }) => verdict)), problems);
}

/** A run for machines: what was asked for, what came of it, and what to keep in mind. Times are ms. */
export function jsonReport(run: Run, summary: Summary): object {
  const { info, bursts, end } = run;
  const { pools: _, ...figures } = summary;
  return { run: info, end, bursts, verdict: verdict(run, summary), ...figures, caveats: caveats(run, summary) };
}

/** autocannon's figures beside ours: 20 answers of 20, median 31 ms (here 20 of 20, 30.2 ms). */
function crossed(found: CrossCheck | string, { sent, outcomes, latency }: Summary): string {
  if (typeof found === 'string') return `cross-check: none: ${found}.\n`;
  const lost = outcomes.timeout + outcomes['connection-error'] + outcomes.cut;
  const median = (ms: number | null | undefined) => (typeof ms === 'number' ? `median ${formatMs(ms)}` : 'no median');
  const theirs = `${found.answers} answers and ${found.errors} errors, ${median(found.p50)}`;
  return `cross-check: autocannon, one burst: ${theirs}; here ${sent - lost} and ${lost}, ${median(latency.all?.p50.value)}.\n`;
}

/**
 * The exit code where some thresholds cannot be judged: that something is broken outranks it.
 *
 * @throws {InputError} when nothing is
 */
export function settle(code: number, problems: readonly string[]): number {
  if (problems.length === 0) return code;
  if (code !== 1) throw new InputError(problems.join('\n'));
  process.stderr.write(`${problems.join('\n')}\n`);
  return code;
}
