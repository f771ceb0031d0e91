import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { Cgroup } from '../src/lambda/cgroup.js';
import { CpuShare } from '../src/lambda/cpu-share.js';
import { fleetOf, folderOf, later } from './function.js';

/** Why this machine cannot bound CPU, if it cannot. */
const missing = (() => {
  try {
    new CpuShare(1769).close();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
})();
if (missing) console.warn(`Skipped, tests of CPU by memory size: ${missing}`);

// Tells its own bound, at init and in a request, and how long some work takes.
const WORK = `
import os, time
def bound():
    lines = [line.strip().split(":", 2) for line in open("/proc/self/cgroup")]
    for number, names, path in lines:
        if "cpu" in names.split(","): return open("/sys/fs/cgroup/cpu" + path + "/cpu.cfs_quota_us").read().strip()
    return open("/sys/fs/cgroup" + lines[-1][2] + "/cpu.max").read().split()[0]
at_init = bound()
def handler(event, context):
    begin, until = time.perf_counter(), time.process_time() + 0.2
    while time.process_time() < until: pass
    return {"pid": os.getpid(), "init": at_init, "request": bound(), "took": time.perf_counter() - begin}
`;

describe.skipIf(missing)('the CPU of a memory size', () => {
  it('is its part of a core, and two cores while it initialises on demand', async () => {
    const cpu = new CpuShare(442.25);
    later(() => cpu.close());
    const { fleet, call } = await fleetOf(WORK, { cpu }, { provisioned: 1 });
    const answer = await call();
    expect(answer).toMatchObject({ init: '40000', request: '5000' });
    // A quarter of a core: 0.2 s of work in 0.8 s, but for the first slice.
    expect(answer['took']).toBeGreaterThan(0.6);
    const { pid } = answer;
    expect((await call()).pid).toBe(pid);
    await fleet.restart();
    expect(await call()).toMatchObject({ init: '5000', request: '5000' });
    await fleet.close();
    cpu.close();
    expect(readdirSync('/sys/fs/cgroup/cpu').filter((name) => name.startsWith('burst-ner-'))).toEqual([]);
  });
});

it('is a line of cpu.max where all controllers share one tree, under the group of a slow store', () => {
  const root = folderOf({ 'cgroup.controllers': 'cpu io\n' });
  const store = new Cgroup('io', undefined, root);
  const [parent = ''] = readdirSync(root).filter((name) => name.startsWith('burst-ner-'));
  // Files of a real group go with it.
  const remove = vi.spyOn(Cgroup.prototype, 'remove').mockReturnValue();
  later(() => remove.mockRestore());
  const group = new CpuShare(885, store, root).group(false);
  const leaf = path.dirname(group.procs);
  const read = (...names: string[]) => readFileSync(path.resolve(root, ...names), 'utf8');
  expect(path.dirname(leaf)).toBe(path.join(root, parent));
  expect(read(leaf, 'cpu.max')).toBe('10006 20000');
  expect([read('cgroup.subtree_control'), read(parent, 'cgroup.subtree_control')]).toEqual(['+cpu', '+cpu']);
});
