import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { SlowStore } from '../src/lambda/slow-store.js';
import { fleetOf, folderOf, later, PYTHON } from './function.js';

const MB = 1_000_000;

/** A model of random bytes beside this file, since the folder for temporary files may be no disk. */
function modelOf(bytes: number): string {
  const folder = mkdtempSync(path.join(import.meta.dirname, 'model-'));
  later(() => rmSync(folder, { recursive: true }));
  writeFileSync(path.join(folder, 'weights'), Buffer.alloc(bytes, 'x'), { flush: true });
  return folder;
}

/** Why this machine cannot bound reading, if it cannot. */
const missing = (() => {
  const model = mkdtempSync(path.join(import.meta.dirname, 'model-'));
  try {
    new SlowStore([model], 1, PYTHON).close();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  } finally {
    rmSync(model, { recursive: true });
  }
})();
if (missing) console.warn(`Skipped, tests of a slow store: ${missing}`);

// Reads the model while it is imported, and says how long that took.
const READ = `
import os, time
begin = time.perf_counter()
data = open(os.path.join(os.environ["MODEL"], "weights"), "rb").read()
took = time.perf_counter() - begin
def handler(event, context):
    while "together" in event and len([f for f in os.listdir() if f.startswith("here-")]) < event["together"]:
        open("here-%d" % os.getpid(), "w"); time.sleep(0.005)
    return {"pid": os.getpid(), "took": took, "bytes": len(data)}
`;

describe.skipIf(missing)('a slow store', () => {
  it('bounds the first read of the model, and every cold start reads it anew', async () => {
    const model = modelOf(4 * MB);
    const store = new SlowStore([model], 4, PYTHON);
    later(() => store.close());
    const { call } = await fleetOf(READ, { store, variables: { MODEL: model } });
    const first = await call();
    expect(first['bytes']).toBe(4 * MB);
    // The kernel counts in slices, so the first bytes are nearly free.
    expect(first['took']).toBeGreaterThan(0.6);
    const both = await Promise.all([call({ together: 2 }), call({ together: 2 })]);
    const second = both.find(({ pid }) => pid !== first.pid);
    expect(second?.['took']).toBeGreaterThan(0.6);
  });

  it('bounds the reading of code as well', async () => {
    const model = modelOf(1);
    const code = modelOf(4 * MB);
    const store = new SlowStore([model, code], 4, PYTHON);
    later(() => store.close());
    const { call } = await fleetOf(READ, { store, variables: { MODEL: code } });
    expect((await call())['took']).toBeGreaterThan(0.6);
  });

  it('is shared by all environments', async () => {
    const model = modelOf(4 * MB);
    const store = new SlowStore([model], 4, PYTHON);
    later(() => store.close());
    // Each reads a file of its own, so that none finds it in the page cache.
    const own = READ.replace('"weights"), "rb"', 'name), "rb"').replace(
      'begin =',
      'name = "weights"\ntry: os.mkdir("taken")\nexcept FileExistsError: name = "more"\nbegin =',
    );
    writeFileSync(path.join(model, 'more'), Buffer.alloc(4 * MB, 'y'), { flush: true });
    const { call } = await fleetOf(own, { store, variables: { MODEL: model } }, { startsAtOnce: 2 });
    const both = await Promise.all([call({ together: 2 }), call({ together: 2 })]);
    // 8 MB at 4 MB/s: one alone would have taken 1 s.
    expect(Math.max(...both.map((answer) => answer['took'] as number))).toBeGreaterThan(1.5);
  });

  it('leaves no cgroup behind', async () => {
    const groups = () => ['', 'blkio'].flatMap((name) => list(path.join('/sys/fs/cgroup', name)));
    const list = (folder: string) => (existsSync(folder) ? readdirSync(folder) : []);
    const before = groups().filter((name) => name.startsWith('burst-ner-'));
    const store = new SlowStore([modelOf(1)], 1, PYTHON);
    const child = spawn('sleep', ['60']);
    later(() => void child.kill('SIGKILL'));
    writeFileSync(store.group.procs, String(child.pid));
    const made = groups().filter((name) => name.startsWith('burst-ner-') && !before.includes(name));
    expect(made).toHaveLength(1);
    expect(readFileSync(`/proc/${child.pid}/cgroup`, 'utf8')).toContain(made[0]);
    child.kill('SIGKILL');
    await once(child, 'exit');
    store.close();
    store.close();
    expect(groups()).not.toContain(made[0]);
  });
});

it.runIf(process.platform === 'linux')('is a line of io.max where all controllers share one tree', ({ skip }) => {
  const root = folderOf({ 'cgroup.controllers': 'cpu io memory\n' });
  const model = modelOf(1);
  let store: SlowStore;
  try {
    store = new SlowStore([model], 12.5, PYTHON, root);
  } catch (error) {
    return skip((error as Error).message);
  }
  const [group = ''] = readdirSync(root).filter((name) => name.startsWith('burst-ner-'));
  const read = (name: string) => readFileSync(path.join(root, name), 'utf8');
  expect(read('cgroup.subtree_control')).toBe('+io');
  expect(read(`${group}/io.max`)).toMatch(/^\d+:\d+ rbps=12500000$/);
  expect(store.group.procs).toBe(path.join(root, group, 'cgroup.procs'));
});

it('says in one sentence what it needs', () => {
  const root = folderOf({});
  const attempt = (model: string) => () => new SlowStore([model], 1, PYTHON, root);
  const needs =
    /^--slow-store needs Linux, root, a block-I\/O cgroup \(v2 io\.max, or v1 blkio\), and code and model on disks/;
  expect(attempt(modelOf(1))).toThrow(needs);
  mkdirSync(path.join(root, 'blkio'));
  expect(attempt('/proc')).toThrow(/ \/proc is on no disk \(device \d+:\d+\)$/);
  expect(readdirSync(path.join(root, 'blkio'))).toEqual([]);
});
