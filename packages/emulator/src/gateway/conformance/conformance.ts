import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Case, isCase, type Line, RecordingError, readRecordings } from './recording.js';
import { replay } from './replay.js';
import { supportsConfig, unsupported } from './support.js';

export { RecordingError };

/** Boots that are replayed at once: they wait more than they work. */
const AT_ONCE = 8;

/** What became of one line of a recording. */
export interface Result {
  readonly file: string;
  readonly line: number;
  readonly case: string;
  readonly config?: string;
  /** Why it was not replayed. */
  readonly unsupported?: string;
  /** What differs, `-` recorded, `+` now; empty when it matches. */
  readonly difference: readonly string[];
}

/**
 * Replays recordings of a real Kong against this gateway.
 *
 * @param folder with `*.jsonl` and `configs/`
 * @returns one result a line, in the recordings' order
 * @throws {RecordingError} for a folder that has no recordings, or one that cannot be read
 */
export async function conformance(folder: string): Promise<Result[]> {
  const lines = readRecordings(folder);
  const results = new Map<Line, Partial<Result>>();
  const boots: { cases: { line: Line; content: Case }[]; run: () => Promise<string[][]> }[] = [];
  for (const cases of byBoot(lines)) {
    const [{ content: first } = { content: undefined }] = cases;
    if (!first) continue;
    const text = configText(folder, first.config);
    const support = supportsConfig(first.config, text);
    const replayed = cases.filter(({ line, content }) => {
      const reason = unsupported(content) ?? ('reason' in support ? support.reason : undefined);
      if (reason) results.set(line, { unsupported: reason });
      return !reason;
    });
    if (replayed.length === 0 || 'reason' in support) continue;
    const contents = replayed.map(({ content }) => content);
    boots.push({ cases: replayed, run: () => replay(contents, first.config, text, support.config) });
  }
  const work = async () => {
    for (let boot = boots.shift(); boot; boot = boots.shift()) {
      const differences = await boot.run();
      for (const [i, { line }] of boot.cases.entries()) results.set(line, { difference: differences[i] ?? [] });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return lines.map((line) => ({
    file: line.file,
    line: line.number,
    case: line.content.case,
    ...(isCase(line.content) ? { config: line.content.config } : {}),
    difference: [],
    ...(results.get(line) ?? { unsupported: 'it is no single HTTP/1 request with its answer' }),
  }));
}

/** Prints what differs and what is not supported, then the sum. Returns the exit code. */
export function report(results: readonly Result[], print: (line: string) => void): number {
  const supported = results.filter((result) => result.unsupported === undefined);
  const matches = supported.filter(({ difference }) => difference.length === 0);
  for (const result of supported) {
    if (result.difference.length === 0) continue;
    print(`${name(result)} differs: - Kong, + this gateway`);
    for (const line of result.difference) print(`  ${line}`);
  }
  for (const result of results) {
    if (result.unsupported !== undefined) print(`${name(result)} is not supported: ${result.unsupported}`);
  }
  print(`${matches.length} of ${supported.length} cases match, ${results.length - supported.length} not supported`);
  return matches.length < supported.length ? 1 : 0;
}

function name({ file, line, case: title, config }: Result): string {
  return `${file}:${line} ${title}${config ? ` (${config})` : ''}`;
}

/** Cases that one process of Kong's answered, in order. */
function byBoot(lines: readonly Line[]): { line: Line; content: Case }[][] {
  const boots = new Map<string, { line: Line; content: Case }[]>();
  for (const line of lines) {
    const { content } = line;
    if (!isCase(content)) continue;
    const key = `${line.file} ${content.boot} ${content.config}`;
    boots.set(key, [...(boots.get(key) ?? []), { line, content }]);
  }
  return [...boots.values()];
}

function configText(folder: string, config: string): string {
  try {
    return readFileSync(join(folder, 'configs', `${config}.yaml`), 'utf8');
  } catch {
    throw new RecordingError(`${join(folder, 'configs', config)}.yaml cannot be read; a recording needs it.`);
  }
}
