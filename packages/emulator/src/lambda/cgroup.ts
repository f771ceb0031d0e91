import { existsSync, mkdtempSync, rmdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** Where v1 has the tree of a controller. */
const TREES = { io: 'blkio', cpu: 'cpu' };

/** A control group of Linux: in the one tree of cgroup v2, or in a controller's own of v1. */
export class Cgroup {
  /** v2: a process is in one group alone. */
  readonly unified: boolean;
  readonly #folder: string;

  /**
   * Makes one.
   *
   * @param parent another group of v2, whose bounds hold here, too
   * @param root where the control groups are mounted
   * @throws {NodeJS.ErrnoException} where that cannot be done
   */
  constructor(controller: keyof typeof TREES, parent?: Cgroup, root = '/sys/fs/cgroup') {
    this.unified = existsSync(path.join(root, 'cgroup.controllers'));
    const over = this.unified ? [root, ...(parent ? [parent.#folder] : [])] : [path.join(root, TREES[controller])];
    if (this.unified)
      for (const each of over) writeFileSync(path.join(each, 'cgroup.subtree_control'), `+${controller}`);
    this.#folder = mkdtempSync(path.join(over.at(-1) ?? root, 'burst-ner-'));
  }

  set(name: string, value: string): void {
    writeFileSync(path.join(this.#folder, name), value);
  }

  /** Moves a process, and what it will start, into the group. */
  add(pid: number): void {
    try {
      this.set('cgroup.procs', String(pid));
    } catch (error) {
      // It has ended already.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }

  /** Its processes must be gone. A second time does nothing. */
  remove(): void {
    if (existsSync(this.#folder)) rmdirSync(this.#folder);
  }
}
