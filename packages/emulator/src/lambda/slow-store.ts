import { execFile } from 'node:child_process';
import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { Cgroup } from './cgroup.js';

// The kernel drops what no process has mapped and what is on the disk already, hence the sync.
const FORGET = `
import os, sys
os.sync()
for top in sys.argv[1:]:
    for folder, _, names in os.walk(top):
        for name in names:
            try: file = os.open(os.path.join(folder, name), os.O_RDONLY | os.O_NONBLOCK)
            except OSError: continue
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(file)
`;

/**
 * Bounds how fast code and model are read from their disks, by all environments together, as a network file system and a
 * store of zips do: one block-I/O cgroup holds their processes.
 *
 * Everything that these processes read from those disks counts. What is in the page cache is free; so before each cold
 * start code and model are dropped from it, except pages that another environment has mapped.
 */
export class SlowStore {
  readonly group: Cgroup;
  readonly #folders: readonly string[];
  readonly #python: string;

  /**
   * @param folders of the model and of the code
   * @param mbps 10⁶ bytes a second
   * @param python an interpreter, for what Node cannot ask of the kernel
   * @param root where the control groups are mounted
   * @throws {Error} one sentence that says what it needs
   */
  constructor(folders: readonly string[], mbps: number, python: string, root?: string) {
    this.#folders = folders;
    this.#python = python;
    let group: Cgroup | undefined;
    try {
      const disks = new Set(folders.map(diskOf));
      group = new Cgroup('io', undefined, root);
      this.group = group;
      for (const disk of disks) group.boundReads(disk, Math.round(mbps * 1e6));
    } catch (error) {
      group?.remove();
      throw new Error(
        `--slow-store needs Linux, root, a block-I/O cgroup (v2 io.max, or v1 blkio), and code and model on disks of this machine: ${(error as Error).message}`,
      );
    }
  }

  /** Drops code and model from the page cache. */
  async forget(): Promise<void> {
    await promisify(execFile)(this.#python, ['-I', '-S', '-c', FORGET, ...this.#folders]);
  }

  /** Removes the cgroup; its processes must be gone. A second time does nothing. */
  close(): void {
    this.group.remove();
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
