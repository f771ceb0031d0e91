import { formatCount, formatMs } from '../report/quantity.js';
import { ofThisMachine } from '../report/sentences.js';
import type { Run } from '../run/run-file.js';
import { fargateTask, PRICES, type Prices } from './cost.js';
import type { Plan } from './plan.js';

/** Bursts a day: one every five minutes. With more, environments on demand would not go in between, and cost nothing. */
export const STAY_WARM = 288;
/** What Lambda adds of one function, environments in ten seconds. */
const SCALING = 1000;

/** What a plan takes for granted, what it does not model, and what to keep in mind: a sentence each. */
export function planCaveats(plan: Plan, runs: readonly Run[], prices: Prices): string[] {
  const { setting, rows, billed, memory, documents } = plan;
  const { limit, memoryMb, arch, efsMb, burstsPerDay } = setting;
  const left = { timeouts: 0, unknown: 0 };
  for (const { samples } of runs) {
    for (const { outcome, start } of samples) {
      if (outcome === 'timeout') left.timeouts++;
      if (outcome === 'ok' && start === 'unknown') left.unknown++;
    }
  }
  const { cpu, gb } = fargateTask(memoryMb);
  const open = rows.some((row) => [row.p50, row.p95, row.p99].some(({ upper }) => upper === null));
  const own = prices.region === PRICES.region || prices.fargate !== PRICES.fargate;
  const factor = billed.factor === null ? 'nobody knows how many' : `up to ${billed.factor.toFixed(1)}`;
  return [
    'Percentiles are of the requests that are answered at once, [95 % interval] by how many bursts were measured and how they differ.',
    ...(open ? ['?: too few bursts were measured for this end of the interval.'] : []),
    'last answer: refused requests are sent again, no more in flight than environments, no more a minute than the limit; [95 % of bursts].',
    ...(rows.some(({ n }) => n > limit)
      ? [
          `Of more than ${limit} at once Kong admits between ${limit} and all: policy local checks first and counts later. Percentiles, cold and dollars are with all admitted, last answer is with ${limit}.`,
        ]
      : []),
    ...runs.slice(0, 1).flatMap(ofThisMachine),
    'Between bursts all environments on demand have gone. Latencies are the run’s, whatever n: its own n is the best to plan.',
    ...(burstsPerDay > STAY_WARM
      ? [
          `${formatCount(burstsPerDay)} bursts a day: environments stay warm between them, which costs less than this says.`,
        ]
      : []),
    ...(rows.some(({ n }) => n > SCALING)
      ? [
          `Lambda adds ${formatCount(SCALING)} environments in 10 s: of a burst above it some are throttled. Not modelled.`,
        ]
      : []),
    'Not modelled: environments that Lambda initialises ahead by itself, and what logs cost.',
    ...(memory.length > 0
      ? []
      : [`${memoryMb} MB changes the price alone; give --memory several sizes, or runs labelled with theirs.`]),
    billed.byReport
      ? 'Billed time is what the function’s REPORT lines say.'
      : `Billed time is a bound, what the gateway waited: ${factor} times the function’s own time. Dollars are a bound alike; --report-log reads the truth.`,
    ...(efsMb > 0 ? [] : ['Nothing is counted for reading a model from EFS; --efs does it.']),
    `Fargate: so many tasks of ${cpu} vCPU and ${gb} GB that always run, one request at a time each, answer 95 % within p95; no load balancer counted.`,
    `Prices of ${prices.region}, ${prices.date}, ${arch}, without free tier and discounts; --region takes others, --prices your own.`,
    ...(own
      ? []
      : [`Fargate and EFS at the prices of ${PRICES.region}; provisioned arm64 at 80 % of x86_64, as there.`]),
    ...(memory.some(({ measured }) => !measured)
      ? [
          'A predicted memory size: the function’s own times change as its share of a vCPU does, one from 1,769 MB on; measure the one you choose.',
        ]
      : []),
    ...(documents
      ? [
          `Documents: the client’s own filling and pacing, ${documents.concurrency} requests at once, alone on its key; ${formatMs(documents.perRequestMs)} a request and ${documents.perCharacterMs.toPrecision(2)} ms a character, as the run told.`,
        ]
      : []),
    ...(left.timeouts > 0 ? [`${left.timeouts} requests of the run timed out: true latencies are longer.`] : []),
    ...(left.unknown > 0 ? [`${left.unknown} answers do not tell cold from warm and are left out.`] : []),
  ];
}
