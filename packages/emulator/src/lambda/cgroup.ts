import { existsSync, mkdtempSync, rmdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** Where v1 has the tree of a controller. */
const TREES = { io: 'blkio', cpu: 'cpu' };
/** Of the kernel's accounting of CPU, µs: over it a process may use its share, and waits for the next one. */
const PERIOD = 20_000;

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

  /**
   * Bounds how fast its processes read.
   *
   * @param disk `major:minor`
   * @param rate bytes a second
   */
  boundReads(disk: string, rate: number): void {
    if (this.unified) this.#set('io.max', `${disk} rbps=${rate}`);
    else this.#set('blkio.throttle.read_bps_device', `${disk} ${rate}`);
  }

  /** Bounds how much CPU its processes have. */
  boundCpu(cores: number): void {
    const quota = Math.round(cores * PERIOD);
    if (this.unified) this.#set('cpu.max', `${quota} ${PERIOD}`);
    else {
      this.#set('cpu.cfs_period_us', `${PERIOD}`);
      this.#set('cpu.cfs_quota_us', `${quota}`);
    }
  }

  /** The file to which a process writes its number to move here, with all that it will start. */
  get procs(): string {
    return path.join(this.#folder, 'cgroup.procs');
  }

  /** Its processes must be gone. A second time does nothing. */
  remove(): void {
    if (existsSync(this.#folder)) rmdirSync(this.#folder);
  }

  #set(name: string, value: string): void {
    writeFileSync(path.join(this.#folder, name), value);
  }
}
