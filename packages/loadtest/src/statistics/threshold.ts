import { InputError } from '../input-error.js';
import { METRICS, type Metric } from './metric.js';

/** What a run shows of a statement: that it holds, that it does not, or neither with 95 % confidence. */
export type Verdict = 'held' | 'broken' | 'undecided';

/** What must not be exceeded. */
export interface Threshold {
  /** As it was given. */
  text: string;
  metric: Metric;
  bound: number;
  /** Of the bound. A share is between 0 and 1; an increase, of a comparison alone, is the greatest that passes. */
  unit: 'ms' | 'requests' | 'share' | 'increase';
}

/**
 * Reads what `--fail-if` was given.
 *
 * `run`: `warm.p95 > 250ms`, `timeout > 0` (requests), `5xx > 1%` (of what was sent), `cold.share > 20%` (of the answers
 * that tell). `compare`: `warm.p50 > +10%`; of an outcome `timeout > +1%`, of what was sent.
 *
 * @throws {InputError}
 */
export function parseThreshold(text: string, command: 'run' | 'compare'): Threshold {
  const [, name = '', written = ''] = /^\s*([^>\s]+)\s*>(.+)$/.exec(text) ?? [];
  const metric = METRICS.find((one) => one.name === name);
  const forms = command === 'compare' ? [INCREASE] : !metric || metric.of === 'latency' ? [TIME] : [SHARE, COUNT];
  if (!metric) {
    const names =
      'all, cold, ahead or warm with .p50, .p90, .p95, .p99 or .max; cold.share; an outcome such as timeout';
    throw new InputError(`--fail-if '${text}' must be like 'warm.p95 > ${forms[0]?.example}', of ${names}.`);
  }
  if (name === 'cold.share' && command === 'run') forms.pop();
  for (const { pattern, unit, scale } of forms) {
    const [, number, suffix = ''] = pattern.exec(written.replaceAll(' ', '')) ?? [];
    if (number !== undefined) return { text, metric, bound: Number(number) * (scale[suffix] ?? 1), unit };
  }
  const examples = forms.map(({ example }) => `'${name} > ${example}'`).join(' or ');
  throw new InputError(`--fail-if '${text}' has no bound that ${name} can have; write ${examples}.`);
}

interface Form {
  pattern: RegExp;
  unit: Threshold['unit'];
  scale: Record<string, number>;
  example: string;
}

const TIME: Form = {
  pattern: /^(\d+(?:\.\d+)?)(ms|s|m)$/,
  unit: 'ms',
  scale: { ms: 1, s: 1000, m: 60_000 },
  example: '250ms',
};
const INCREASE: Form = { pattern: /^\+(\d+(?:\.\d+)?)(%)$/, unit: 'increase', scale: { '%': 0.01 }, example: '+10%' };
const COUNT: Form = { pattern: /^(\d+)$/, unit: 'requests', scale: {}, example: '0' };
// Not 0 %, which no number of requests can show; not 100 %, which nothing exceeds.
const SHARE: Form = {
  pattern: /^((?!0+(?:\.0+)?%)\d{1,2}(?:\.\d+)?)(%)$/,
  unit: 'share',
  scale: { '%': 0.01 },
  example: '1%',
};

/** The exit code of a command that judged: 1 when something is broken, 2 when something is undecided, else 0. */
export function exitCode(verdicts: readonly Verdict[]): 0 | 1 | 2 {
  if (verdicts.includes('broken')) return 1;
  return verdicts.includes('undecided') ? 2 : 0;
}
