import type { Run } from '../run/run-file.js';
import { latencyFrom, latencyMs, STARTS, type Start } from '../run/sample.js';
import type { Kept } from '../run/samples.js';
import { median } from '../statistics/percentile.js';

/** In the order in which they happen; `rest` is the network, Lambda, and all else that nobody reports. */
export const PARTS = ['Kong', 'runtime start', 'init', 'model load', 'NER', 'rest'] as const;
type Part = (typeof PARTS)[number];

/** Where the time of the answers of one class went: medians, ms. */
export interface Breakdown {
  start: Start;
  whole: number;
  /** Of each part that answers told of, and of the rest. */
  parts: Partial<Record<Part, number>>;
}

export function breakdowns({ info, samples }: Run): Breakdown[] {
  const found = new Map<Start, Map<Part | 'whole', number[]>>();
  for (const sample of samples) {
    const latency = latencyMs(sample, latencyFrom(info.mode));
    if (latency === null) continue;
    const mine = found.get(sample.start) ?? new Map<Part | 'whole', number[]>();
    found.set(sample.start, mine);
    let rest = latency;
    for (const [part, ms] of told(sample)) {
      rest -= ms;
      push(mine, part, ms);
    }
    // Each clock rounds its own way.
    push(mine, 'rest', Math.max(0, rest));
    push(mine, 'whole', latency);
  }
  return STARTS.flatMap((start) => {
    const mine = found.get(start);
    if (!mine) return [];
    const { whole = 0, ...parts } = Object.fromEntries(Array.from(mine, ([part, values]) => [part, median(values)]));
    return [{ start, whole, parts }];
  });
}

/** The parts of an answer's time that headers or a REPORT line tell. A warm answer waited for no initialisation. */
function* told({ start, kongMs, initMs, loadMs, nerMs, reportInitMs }: Kept): Iterable<[Part, number]> {
  if (kongMs !== null) yield ['Kong', kongMs];
  if (start === 'cold' && initMs !== null) {
    if (reportInitMs !== null) yield ['runtime start', Math.max(0, reportInitMs - initMs)];
    yield ['init', Math.max(0, initMs - (loadMs ?? 0))];
    if (loadMs !== null) yield ['model load', loadMs];
  }
  if (nerMs !== null) yield ['NER', nerMs];
}

function push(map: Map<Part | 'whole', number[]>, part: Part | 'whole', ms: number): void {
  const values = map.get(part);
  if (values) values.push(ms);
  else map.set(part, [ms]);
}
