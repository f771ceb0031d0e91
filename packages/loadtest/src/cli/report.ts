import { Command } from '@commander-js/extra-typings';
import { readReportLog } from '../run/report-log.js';
import { readRun } from '../run/run-file.js';
import { parseThreshold } from '../statistics/threshold.js';
import { collect } from './arguments.js';
import { refuseUnwritable } from './page.js';
import { present } from './present.js';

export function reportCommand() {
  return new Command('report')
    .description('say again what came of a run')
    .argument('<file>', 'what `run --out` wrote')
    .option('--html <file>', 'write a page too: one file, which needs no network and no script')
    .option('--json', 'print one JSON object in place of the report')
    .option('--report-log <file>', "join the REPORT lines of the function's log: what was billed, and the whole init")
    .option('--fail-if <threshold>', "such as 'warm.p95 > 250ms' or 'timeout > 0'; can be repeated", collect, [])
    .addHelpText(
      'after',
      '\nExit codes: 0 good; 1 a threshold is broken, or no request succeeded; 2 undecided; 3 no such run.',
    )
    .action(async (file, { html, json, reportLog, failIf }) => {
      if (html !== undefined) refuseUnwritable(html, [file, reportLog]);
      const thresholds = failIf.map((text) => parseThreshold(text, 'run'));
      const join = reportLog === undefined ? undefined : await readReportLog(reportLog);
      let joined = 0;
      const run = await readRun(file, (sample) => {
        if (join?.(sample)) joined++;
      });
      if (join) process.stderr.write(`${reportLog} has REPORT lines of ${joined} of ${run.samples.length} requests.\n`);
      process.exitCode = await present(run, { failIf: thresholds, html, json });
    });
}
