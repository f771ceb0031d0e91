import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { InputError } from '../input-error.js';
import type { Sample } from './sample.js';

type Report = Pick<Sample, 'durationMs' | 'billedMs' | 'reportInitMs'>;

/** How an event begins, as text (`REPORT RequestId: …`) and as JSON. */
const BEGIN = /REPORT (?=RequestId: )|"type":\s*"platform\.report"/;
/** Its fields, in either form. */
const FIELDS = {
  durationMs: [/\tDuration: (\d+\.?\d*) ms/, /"durationMs":\s*(\d+\.?\d*)/],
  billedMs: [/\tBilled Duration: (\d+\.?\d*) ms/, /"billedDurationMs":\s*(\d+\.?\d*)/],
  reportInitMs: [/\tInit Duration: (\d+\.?\d*) ms/, /"initDurationMs":\s*(\d+\.?\d*)/],
} as const;

/**
 * Reads the REPORT events of a function's log: the emulator's `--log`, `aws logs tail`, or the JSON of
 * `aws logs filter-log-events`, whatever stands before and behind them in their line.
 *
 * @returns fills in what the log says of a sample, by Lambda's request id; false when it says nothing
 * @throws {InputError} when the file cannot be read, or has no REPORT event
 */
export async function readReportLog(file: string): Promise<(sample: Sample) => boolean> {
  const reports = new Map<string, Report>();
  try {
    for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Number.POSITIVE_INFINITY })) {
      // Events may be quoted in JSON, and many stand in one line.
      const [, ...events] = line.replaceAll('\\t', '\t').replaceAll('\\"', '"').split(BEGIN);
      for (const event of events) {
        const id = /^RequestId: ([\w-]+)/.exec(event)?.[1] ?? /"requestId":\s*"([\w-]+)"/.exec(event)?.[1];
        if (id !== undefined) reports.set(id, parse(event));
      }
    }
  } catch (error) {
    throw new InputError(`Cannot read ${file} (${(error as NodeJS.ErrnoException).code}); give the function's log.`);
  }
  if (reports.size === 0) throw new InputError(`${file} has no REPORT line; give the log of the function itself.`);
  return (sample) => {
    const report = reports.get(sample.lambdaRequestId ?? '');
    Object.assign(sample, report);
    return report !== undefined;
  };
}

function parse(event: string): Report {
  const read = (field: keyof Report) => {
    const found = FIELDS[field].map((pattern) => pattern.exec(event)?.[1]).find(Boolean);
    return found === undefined ? null : Number(found);
  };
  return { durationMs: read('durationMs'), billedMs: read('billedMs'), reportInitMs: read('reportInitMs') };
}
