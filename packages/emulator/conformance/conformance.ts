import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Case, type Line, RecordingError, readRecordings } from './recording.js';
import { replay } from './replay.js';
import { readBefore, type Support, supportsConfig, unsupported } from './support.js';

export { RecordingError };

/** Boots that are replayed at once: they wait more than they work. */
const AT_ONCE = 8;

/** What became of one line of a recording. */
export interface Result {
  readonly file: string;
  readonly line: number;
  readonly case: string;
  readonly config: string | undefined;
  /** Why it was not replayed. */
  readonly unsupported?: string;
  /** What differs, `-` recorded, `+` now; empty when it matches. */
  readonly difference: readonly string[];
}

/** A line that is a case. */
type CaseLine = Extract<Line, { content: Case }>;

/**
 * Replays recordings of a real Kong against this gateway.
 *
 * @param folder with `*.jsonl` and `configs/`
 * @returns one result a line, in the recordings' order; a line that cannot be read, or needs what is not there, is not
 *   supported, and one whose replay fails differs
 * @throws {RecordingError} for a folder that is not there, or has no line in any `*.jsonl`
 */
export async function conformance(folder: string): Promise<Result[]> {
  const lines = readRecordings(folder);
  const results = new Map<Line, Pick<Result, 'unsupported' | 'difference'>>();
  const boots: (() => Promise<void>)[] = [];
  for (const cases of byBoot(lines)) {
    const name = cases[0]?.content.config ?? '';
    const text = configText(folder, name);
    const support: Support =
      text === undefined ? { reason: `configs/${name}.yaml is not there` } : supportsConfig(name, text);
    const replayed: CaseLine[] = [];
    let unknown: string | undefined;
    for (const line of cases) {
      const { before } = line.content;
      // Nor is known, then, how the rest of that boot began.
      if (before && !readBefore(before)) unknown ??= `what was done before is not known: ${before}`;
      const reason = unsupported(line.content) ?? ('reason' in support ? support.reason : unknown);
      if (reason) results.set(line, { unsupported: reason, difference: [] });
      else replayed.push(line);
    }
    if (replayed.length === 0 || text === undefined || 'reason' in support) continue;
    boots.push(async () => {
      const contents = replayed.map(({ content }) => content);
      const differences = await replay(contents, name, text, support.config).catch((error: unknown) =>
        replayed.map(() => [`+ the replay did not start: ${String(error)}`]),
      );
      for (const [i, line] of replayed.entries()) results.set(line, { difference: differences[i] ?? [] });
    });
  }
  const work = async () => {
    for (let boot = boots.shift(); boot; boot = boots.shift()) await boot();
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return lines.map((line) => ({
    file: line.file,
    line: line.number,
    case: line.case,
    config: 'content' in line ? line.content.config : undefined,
    ...(results.get(line) ?? { unsupported: 'reason' in line ? line.reason : '', difference: [] }),
  }));
}

/**
 * Prints what differs, then what is not supported by file, config and reason, then the sum.
 *
 * @returns the exit code: 1 when a case differs, or none was replayed
 */
export function report(results: readonly Result[], print: (line: string) => void): number {
  const supported = results.filter((result) => result.unsupported === undefined);
  const matches = supported.filter(({ difference }) => difference.length === 0);
  for (const { file, line, case: name, config, difference } of supported) {
    if (difference.length === 0) continue;
    print(`${file}:${line} ${name} (${config}) differs: - Kong, + this gateway`);
    for (const each of difference) print(`  ${each}`);
  }
  const groups = new Map<string, string[]>();
  for (const { file, line, case: name, config, unsupported } of results) {
    if (unsupported === undefined) continue;
    const group = `${file}${config ? ` (${config})` : ''} is not supported: ${unsupported}`;
    groups.set(group, [...(groups.get(group) ?? []), `${line} ${name}`]);
  }
  for (const [group, names] of groups) {
    print(group);
    print(`  ${names.join(', ')}`);
  }
  if (supported.length === 0) print('No case was replayed: nothing is shown by this.');
  print(`${matches.length} of ${supported.length} cases match, ${results.length - supported.length} not supported`);
  return supported.length === 0 || matches.length < supported.length ? 1 : 0;
}

/** Cases that one process of Kong's answered, in order. */
function byBoot(lines: readonly Line[]): CaseLine[][] {
  const boots = new Map<string, CaseLine[]>();
  for (const line of lines) {
    if (!('content' in line)) continue;
    const key = `${line.file} ${line.content.boot} ${line.content.config}`;
    boots.set(key, [...(boots.get(key) ?? []), line]);
  }
  return [...boots.values()];
}

function configText(folder: string, config: string): string | undefined {
  try {
    return readFileSync(join(folder, 'configs', `${config}.yaml`), 'utf8');
  } catch {
    return undefined;
  }
}
