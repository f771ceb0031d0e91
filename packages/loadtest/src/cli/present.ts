import { writeFileSync } from 'node:fs';
import { InputError } from '../input-error.js';
import type { PlanRow } from '../plan/plan.js';
import { jsonReport } from '../report/json.js';
import { terminalReport } from '../report/terminal.js';
import type { Run } from '../run/run-file.js';
import { type Judgement, judge } from '../statistics/judgement.js';
import { summarise } from '../statistics/summary.js';
import { exitCode, type Threshold } from '../statistics/threshold.js';

export interface PresentOptions {
  /** One JSON object in place of the report for people. */
  json?: true;
  /** Where to write a report of one HTML file. */
  html?: string;
  failIf: readonly Threshold[];
  /** What other settings would do and cost; in the page and in the JSON. */
  plans?: readonly PlanRow[];
}

/**
 * Prints what came of a run, judges it, and returns the exit code: 1 when a threshold is broken or no request succeeded,
 * 2 when one is undecided, else 0.
 *
 * @throws {InputError} when the HTML file cannot be written, or nothing is broken and a threshold is about what the run
 * does not have
 */
export async function present(run: Run, { json, html, failIf, plans = [] }: PresentOptions): Promise<number> {
  const from = run.info.mode === 'rate' ? 'intended' : 'sent';
  const summary = summarise(run.samples, from, run.bursts);
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
  const judged = judgements.map(({ threshold, verdict, sentence }) => ({ failIf: threshold.text, verdict, sentence }));
  process.stdout.write(
    json
      ? `${JSON.stringify({ ...jsonReport(run, summary), thresholds: judged, ...(plans.length > 0 && { plans }) })}\n`
      : `\n${terminalReport(run, summary)}${judged.map((j) => `${j.verdict}: fail if ${j.failIf}: ${j.sentence}\n`).join('')}`,
  );
  if (html !== undefined) {
    // Imported here: it is slow to load.
    const { htmlReport } = await import('../report/html.js');
    try {
      writeFileSync(html, htmlReport(run, summary, plans));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw new InputError(`Cannot write ${html} (${code}); is there such a folder, and may you write to it?`);
    }
  }
  return settle(summary.outcomes.ok === 0 ? 1 : exitCode(judgements.map(({ verdict }) => verdict)), problems);
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
