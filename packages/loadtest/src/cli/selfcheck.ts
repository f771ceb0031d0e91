import { Command } from '@commander-js/extra-typings';
import { selfcheck } from '../load/selfcheck.js';
import { startTruth } from '../load/truth.js';

export function selfcheckCommand() {
  return new Command('selfcheck')
    .description('measure what this machine adds to latencies, against a local server that knows the truth')
    .option('--json', 'print one JSON object')
    .addHelpText('after', '\nExit codes: 0 results can be trusted, 1 they cannot.')
    .action(async ({ json }) => {
      process.stderr.write('Bursts of 5, 20 and 100 to a server on this machine; some seconds …\n');
      const truth = await startTruth();
      try {
        const found = await selfcheck(truth);
        const lines = found.bursts.map(
          ({ n, errorMs, resolvesMs, spreadMs }) =>
            `${String(n).padStart(3)} at once: latencies read ${errorMs.toFixed(2)} ms too long, two bursts differ by up to ${resolvesMs.toFixed(2)} ms by themselves, requests leave within ${spreadMs.toFixed(2)} ms`,
        );
        const machine = `${found.cores} cores, ${Math.round(found.busy * 100)} % of them in use by others`;
        const verdict = found.problems.length
          ? `Results of this machine cannot be trusted:\n${found.problems.map((problem) => `- ${problem}`).join('\n')}`
          : 'Results of this machine can be trusted.';
        process.stdout.write(json ? `${JSON.stringify(found)}\n` : `${[machine, ...lines, verdict].join('\n')}\n`);
        process.exitCode = found.problems.length ? 1 : 0;
      } finally {
        await truth.close();
      }
    });
}
