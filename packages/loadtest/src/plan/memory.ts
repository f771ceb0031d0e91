import { InputError } from '../input-error.js';
import type { Run } from '../run/run-file.js';
import { type Arch, cpuShare, type Prices, runCost, sizeOf } from './cost.js';
import { answersOf, meanBilled, poolOf, type Told } from './pools.js';
import type { Estimate } from './simulate.js';

/** What a memory size does to speed and cost. */
export interface MemoryRow {
  memoryMb: number;
  /** From runs with this label, or predicted by the CPU that Lambda gives, from those of another. */
  from: number;
  measured: boolean;
  warm: Estimate | null;
  cold: Estimate | null;
  /** US dollars a thousand warm answers; null without any. */
  usd: number | null;
}

/**
 * Cost against speed, by memory size. A size that no run is labelled with is predicted from the nearest that is: what the
 * function told of its own time (initialisation and recognition, one thread) changes as its share of a vCPU does, and the
 * rest stays.
 *
 * @throws {InputError} when a size must be predicted from answers that do not tell the function's own time
 */
export function memoryRows(runs: readonly Run[], sizes: readonly number[], arch: Arch, prices: Prices): MemoryRow[] {
  const memoryOf = ({ info }: Run) => sizeOf(info.labels).memoryMb;
  return sizes.map((memoryMb) => {
    const [near = memoryMb] = runs.map(memoryOf).sort((a, b) => Math.abs(a - memoryMb) - Math.abs(b - memoryMb));
    const mine = runs.filter((run) => memoryOf(run) === near);
    const { warm, cold } = answersOf(mine);
    const times = cpuShare(near) / cpuShare(memoryMb);
    const as = (answers: readonly Told[]) => answers.map((one) => (near === memoryMb ? one : changed(one, times)));
    const [inWarm, inCold] = [as(warm), as(cold)];
    const median = (answers: readonly Told[]) =>
      answers.length > 0 ? (poolOf(answers).percentile(0.5) as Estimate) : null;
    return {
      ...{ memoryMb, from: near, measured: near === memoryMb, warm: median(inWarm), cold: median(inCold) },
      usd: inWarm.length > 0 ? runCost(1000, meanBilled(inWarm), memoryMb, arch, prices) : null,
    };
  });
}

function changed(one: Told, times: number): Told {
  if (one.ownMs === null) {
    throw new InputError(
      'A memory size that was not measured is predicted by the function’s own times, and an answer has no server-timing header; measure a run with each --label memory=MB.',
    );
  }
  const more = one.ownMs * (times - 1);
  return { ...one, ms: one.ms + more, billedMs: one.billedMs + more };
}
