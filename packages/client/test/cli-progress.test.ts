import { describe, expect, it } from 'vitest';
import type { Usage } from '../src/budget.js';
import { duration, Progress, type Screen } from '../src/cli/progress.js';
import type { OutputRecord } from '../src/cli/record.js';

const done: OutputRecord = { source: 'a.txt', entities: [] };
const failed: OutputRecord = { source: 'a.txt', error: { code: 'x', message: 'No.' } };

function shown(total: number | undefined, isTTY = false, columns = 200) {
  let now = 0;
  const written: string[] = [];
  const usage: Usage[] = [];
  const screen: Screen = { isTTY, columns, write: (text) => written.push(text) };
  const progress = new Progress(() => now);
  progress.start(screen, total, () => usage);
  progress.stop();
  written.length = 0;
  const at = (ms: number) => {
    now = ms;
    return progress.line();
  };
  return { progress, at, usage, written };
}

describe('progress', () => {
  it('tells the share, the rate, the time left and the budget left', () => {
    const { progress, at, usage } = shown(1000);
    expect(at(0)).toBe('0 %, 0 documents');
    for (let i = 1; i <= 50; i++) progress.add(i === 3 ? failed : done, i * 5);
    usage.push({ period: 'minute', limit: 100, used: 42, resetsInMs: 1 });
    expect(at(10_000)).toBe('25 %, 50 documents, 1 failed, 5.0/s, 30 s left, 58 of 100 requests left this minute');
  });

  it('tells what it waits for, and counts the wait into the time left at once', () => {
    const { progress, at } = shown(1000);
    for (let i = 1; i <= 100; i++) progress.add(done, i * 5);
    at(19_000);
    progress.wait(41_000, '100 of 100 used this minute');
    expect(at(19_000)).toBe('50 %, 100 documents, 1.7/s, 60 s left, waiting 41 s: 100 of 100 used this minute');
    expect(at(59_500)).toContain('waiting 1 s');
    expect(at(60_000)).not.toContain('waiting');
  });

  it('promises nothing of a standard input, and counts what was done before to no rate', () => {
    const unknown = shown(undefined);
    unknown.progress.add(done, 5);
    expect(unknown.at(1000)).toBe('1 document, 1.0/s');
    const resumed = shown(1000);
    resumed.progress.skip(900);
    resumed.progress.add(done, 950);
    expect(resumed.at(2000)).toBe('95 %, 1 document, 0.5/s, 2 s left');
  });

  it('is one line on a terminal, as wide as that, and gone at the end', () => {
    const { progress, at, written } = shown(1000, true, 40);
    progress.add(done, 500);
    at(1000);
    progress.show();
    expect(written).toEqual(['\r\x1b[2K██████████░░░░░░░░░░ 50 %, 1 document, ']);
    progress.stop();
    expect(written.at(-1)).toBe('\r\x1b[2K');
  });

  it('is plain lines elsewhere', () => {
    const { progress, written } = shown(1000);
    progress.show();
    progress.stop();
    expect(written).toEqual(['burst-ner: 0 %, 0 documents\n']);
  });

  it.each([
    [0.2, '1 s'],
    [89, '89 s'],
    [91, '2 min'],
    [3600, '60 min'],
    [7500, '2 h 5 min'],
  ])('%d s are %s', (seconds, words) => expect(duration(seconds)).toBe(words));
});
