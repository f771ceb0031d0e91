import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';

// The kernel drops what no process has mapped and what is on the disk already, hence fsync.
const FORGET = `
import os, sys
for folder, _, names in os.walk(sys.argv[1]):
    for name in names:
        file = os.open(os.path.join(folder, name), os.O_RDONLY)
        os.fsync(file)
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(file)
`;

/**
 * Bounds how fast a model is read from its disk, by all environments together, as a network file system does: one
 * block-I/O cgroup holds their processes.
 *
 * Everything that these processes read from that disk counts. What is in the page cache is free; so before each cold
 * start the model is dropped from it, except pages that another environment has mapped.
 */
export class SlowStore {
  readonly #group: string;
  readonly #model: string;
  readonly #python: string;

  private constructor(group: string, model: string, python: string) {
    this.#group = group;
    this.#model = model;
    this.#python = python;
  }

  /**
   * @param model the model's folder
   * @param mbps 10⁶ bytes a second
   * @param python an interpreter, for what Node cannot ask of the kernel
   * @param cgroups where the control groups are mounted
   * @throws {Error} one sentence that says what it needs
   */
  static async open(model: string, mbps: number, python: string, cgroups = '/sys/fs/cgroup'): Promise<SlowStore> {
    const bytes = Math.round(mbps * 1e6);
    // One tree for all controllers (v2), or one for each (v1).
    const unified = existsSync(path.join(cgroups, 'cgroup.controllers'));
    const parent = unified ? cgroups : path.join(cgroups, 'blkio');
    let group: string | undefined;
    try {
      const disk = diskOf(model);
      if (unified) writeFileSync(path.join(parent, 'cgroup.subtree_control'), '+io');
      group = mkdtempSync(path.join(parent, 'burst-ner-'));
      if (unified) writeFileSync(path.join(group, 'io.max'), `${disk} rbps=${bytes}`);
      else writeFileSync(path.join(group, 'blkio.throttle.read_bps_device'), `${disk} ${bytes}`);
      const store = new SlowStore(group, model, python);
      await store.forget();
      return store;
    } catch (error) {
      if (group) rmdirSync(group);
      throw new Error(
        `--slow-store needs Linux, root, a block-I/O cgroup (v2 io.max, or v1 blkio) and the model on a disk of this machine: ${(error as Error).message}`,
      );
    }
  }

  /** Drops the model from the page cache. */
  async forget(): Promise<void> {
    await promisify(execFile)(this.#python, ['-I', '-S', '-c', FORGET, this.#model]);
  }

  /** Bounds a process and what it starts. */
  bound(pid: number): void {
    try {
      writeFileSync(path.join(this.#group, 'cgroup.procs'), String(pid));
    } catch (error) {
      // It has ended already.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }

  /** Removes the cgroup; its processes must be gone. A second time does nothing. */
  close(): void {
    if (existsSync(this.#group)) rmdirSync(this.#group);
  }
}

/** The disk of a folder as `major:minor`. Of a partition the whole disk, which is what can be bounded. */
function diskOf(folder: string): string {
  const { dev } = statSync(folder, { bigint: true });
  // How glibc packs both numbers into one.
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn);
  const minor = (dev & 0xffn) | ((dev >> 12n) & ~0xffn);
  const entry = `/sys/dev/block/${major}:${minor}`;
  if (!existsSync(entry)) throw new Error(`${folder} is on no disk (device ${major}:${minor})`);
  const block = realpathSync(entry);
  const disk = existsSync(path.join(block, 'partition')) ? path.dirname(block) : block;
  return readFileSync(path.join(disk, 'dev'), 'utf8').trim();
}
