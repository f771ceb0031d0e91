import { Command, Option } from 'commander';
import { FORMATS } from '../report/export.js';
import { readReportLog } from '../run/report-log.js';
import { readRun } from '../run/run-file.js';

export function exportCommand(): Command {
  return new Command('export')
    .description('print a run in a form that other tools read')
    .argument('<file>', 'what `run --out` wrote')
    .addOption(new Option('--format <name>', 'which').choices(Object.keys(FORMATS)).makeOptionMandatory())
    .option('--report-log <file>', "join the REPORT lines of the function's log first")
    .action(async (file: string, { format, reportLog }: { format: string; reportLog?: string }) => {
      const join = reportLog === undefined ? undefined : await readReportLog(reportLog);
      const run = await readRun(file, join && ((sample) => void join(sample)));
      process.stdout.write(FORMATS[format]?.(run) ?? '');
    });
}
