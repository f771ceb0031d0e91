import type { Run } from '../run/run-file.js';
import type { Comparison, Effect } from '../statistics/compare.js';
import { formatCount, formatMs, formatShare, formatTimes } from './quantity.js';
import { plain, title } from './sentences.js';
import { blocks, type Cell, tableLines } from './table.js';

const HOW = {
  alternated: 'The bursts of A and B alternated: each of B is compared with the one of A before it.',
  bursts:
    'A and B were measured one after the other: what changed in between counts as a difference; run --against alternates.',
  blocks:
    'Each tenth of B’s time is compared with the same tenth of A’s. They were measured one after the other: what changed in between counts as a difference.',
};

/** Two runs beside each other for the terminal, a line a metric. */
export function comparisonReport(a: Run, b: Run, { of, paired, effects, leftOut }: Comparison): string {
  const how = HOW[of === 'bursts' && paired ? 'alternated' : of];
  const rows = effects.map((effect): Cell[] => {
    const { metric, change, lower, upper, clusters } = effect;
    const interval = `${signed(effect, lower)}, ${signed(effect, upper)}`;
    return [
      metric,
      show(effect, effect.a),
      show(effect, effect.b),
      Number.isFinite(change) ? [signed(effect, change), interval] : '',
      paired ? String(clusters.a) : `${clusters.a} and ${clusters.b}`,
      verdict(effect, of),
    ];
  });
  const columns = ['', 'A', 'B', 'B against A [95 % interval]', paired ? 'pairs' : of, ''];
  const head = ({ info }: Run) => `${title(info)}, ${plain(info.startedAt)}`;
  return blocks(
    [`A: ${head(a)}`, `B: ${head(b)}`, how],
    tableLines({ head: columns, rows, words: [0, 5] }),
    leftOut.map((sentence) => `not compared: ${sentence}.`),
  );
}

function show({ unit }: Effect, value: number): string {
  if (!Number.isFinite(value)) return 'timed out';
  return unit === 'ms' ? formatMs(value) : formatShare(value);
}

/** A share's change is one of what was sent, and no ratio. */
function signed({ unit }: Effect, change: number): string {
  const percent = (100 * change).toFixed(1).replace(/^-(0\.0)$/, '$1');
  return `${change > 0 ? '+' : ''}${percent}${unit === 'ms' ? ' %' : ' points'}`;
}

function verdict({ threshold, verdict, change, upper, clusters, more }: Effect, of: Comparison['of']): string {
  const wanted = !Number.isFinite(change)
    ? `too few ${of} timed out to tell`
    : more === null
      ? 'too near for more to tell'
      : of === 'bursts'
        ? `about ${formatCount(more)} more bursts of each would tell`
        : `about ${formatTimes(1 + more / clusters.a)} times as long would tell`;
  const said = verdict === 'undecided' ? `undecided: ${wanted}` : verdict;
  if (threshold !== null) return `${threshold}: ${said}`;
  return { held: upper < 0 ? 'better' : 'not worse', broken: 'worse', undecided: said }[verdict];
}
