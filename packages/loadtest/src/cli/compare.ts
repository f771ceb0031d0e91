import { Command } from '@commander-js/extra-typings';
import { comparisonReport } from '../report/comparison.js';
import { type Run, readRun } from '../run/run-file.js';
import { compare } from '../statistics/compare.js';
import { exitCode, parseThreshold } from '../statistics/threshold.js';
import { collect } from './arguments.js';
import { type PresentOptions, settle } from './present.js';

export function compareCommand() {
  return new Command('compare')
    .description('tell whether a run is slower than another, or fails more')
    .argument('<a>', 'what `run --out` wrote of the one')
    .argument('<b>', 'and of the other')
    .option(
      '--fail-if <threshold>',
      "what B must not be, such as 'warm.p50 > +10%'; can be repeated (default: medians worse at all)",
      collect,
      [],
    )
    .option('--json', 'print one JSON object in place of the table')
    .addHelpText(
      'after',
      '\nExit codes: 0 not worse, 1 worse or a threshold broken, 2 undecided: it takes more to tell, 3 not to be compared.',
    )
    .action(async (fileA, fileB, { failIf, json }) => {
      const thresholds = failIf.map((text) => parseThreshold(text, 'compare'));
      const [a, b] = [await readRun(fileA), await readRun(fileB)];
      process.exitCode = presentComparison(a, b, { failIf: thresholds, json });
    });
}

/**
 * Compares two runs, prints what came of it, and returns the exit code.
 *
 * @throws {InputError} when they cannot be compared, or nothing is broken and a threshold cannot be judged
 */
export function presentComparison(a: Run, b: Run, { failIf, json }: Pick<PresentOptions, 'failIf' | 'json'>): number {
  const comparison = compare(a, b, failIf);
  process.stdout.write(
    json ? `${JSON.stringify({ a: a.info, b: b.info, ...comparison })}\n` : comparisonReport(a, b, comparison),
  );
  return settle(exitCode(comparison.effects.map(({ verdict }) => verdict)), comparison.unjudged);
}
