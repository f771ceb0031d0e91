import { Command, Option } from '@commander-js/extra-typings';
import { FORMATS } from '../report/export.js';
import { readReportLog } from '../run/report-log.js';
import { readRun } from '../run/run-file.js';

export function exportCommand() {
  return new Command('export')
    .description('print a run in a form that other tools read')
    .argument('<file>', 'what `run --out` wrote')
    .addOption(new Option('--format <name>', 'which').choices(Object.keys(FORMATS)).makeOptionMandatory())
    .option('--report-log <file>', "join the REPORT lines of the function's log first")
    .action(async (file, { format, reportLog }) => {
      const join = reportLog === undefined ? undefined : await readReportLog(reportLog);
      process.stdout.write(FORMATS[format]?.(await readRun(file, join)) ?? '');
    });
}
