import { Cgroup } from './cgroup.js';

// https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
const MB_A_CORE = 1769;
// Initialising on demand, a function of any size has two whole cores:
// https://bitesizedserverless.com/bite/lambda-cold-start-bootstrap/
const INIT_CORES = 2;

/** The part of a core that an environment of a memory size has on Lambda, by a cpu cgroup for each of its processes. */
export class CpuShare {
  readonly #cores: number;
  readonly #parent: Cgroup | undefined;
  readonly #root: string | undefined;
  readonly #groups = new Set<Cgroup>();

  /**
   * @param parent a group of v2 that bounds all environments together
   * @param root where the control groups are mounted
   * @throws {Error} one sentence that says what it needs
   */
  constructor(memoryMb: number, parent?: Cgroup, root?: string) {
    this.#cores = memoryMb / MB_A_CORE;
    this.#parent = parent;
    this.#root = root;
    try {
      this.release(this.group(false));
    } catch (error) {
      this.close();
      throw new Error(
        `--memory needs Linux, root and a cpu cgroup (v2 cpu.max, or v1 cpu.cfs_quota_us), which bounds an environment's CPU as Lambda does: ${(error as Error).message}`,
      );
    }
  }

  /** A group for one process. @param init it begins with an init on demand */
  group(init: boolean): Cgroup {
    const group = new Cgroup('cpu', this.#parent, this.#root);
    this.#groups.add(group);
    group.boundCpu(init ? Math.max(INIT_CORES, this.#cores) : this.#cores);
    return group;
  }

  /** After init. */
  settle(group: Cgroup): void {
    group.boundCpu(this.#cores);
  }

  /** When its process is gone. */
  release(group: Cgroup): void {
    try {
      group.remove();
      this.#groups.delete(group);
    } catch {
      // What the process had started is still dying: close() comes later.
    }
  }

  /** Removes the groups, whose processes must be gone. */
  close(): void {
    for (const group of this.#groups) group.remove();
  }
}
