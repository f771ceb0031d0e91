import { randomUUID } from 'node:crypto';
import * as fs from 'node:fs';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseJson } from '../json.js';
import { read } from './disk.js';
import { OutputError } from './errors.js';

const BEAT_MS = 5000;
// At a holder that may be dead.
const LOOKS = 40;

/** Who holds a lock, as its file says. */
interface Holder {
  id: string;
  host: string;
  pid: number;
  /** When the process began, as /proc has it, so that a later one with its number is another; else empty. */
  started: string;
  /** Which boot and which container the number counts in, where /proc tells. */
  place: string;
  /** Changes while it lives. Of a fixed length, so that it is overwritten in place: ms since 1970. */
  beat: number;
}

/**
 * Holds a path for this process by a file that names it, also against other hosts and containers on a shared file system:
 * Node has no flock, and not every network file system has. A holder of the same boot and container is looked up among the
 * processes. Of any other nobody can tell but by its heartbeat: no clock is compared, it is watched for 20 s.
 */
export class Lock {
  readonly #timer: NodeJS.Timeout;
  #beatAt = Date.now();

  /** @param fd of our own file, whatever the path leads to by now */
  private constructor(
    private readonly path: string,
    private readonly mine: Holder,
    private readonly fd: number,
  ) {
    this.#timer = setInterval(() => this.#beat(), BEAT_MS).unref();
  }

  /**
   * @param onWait called before it watches a holder that it cannot look up
   * @param deadMs how long such a holder may give no heartbeat
   * @returns the holder when another process holds it
   * @throws {NodeJS.ErrnoException} when the file cannot be written, or is there and cannot be read
   * @throws {OutputError} when a link to nothing is in its place
   */
  static async take(path: string, onWait: (holder: string) => void, deadMs = 4 * BEAT_MS): Promise<Lock | string> {
    const { pid } = process;
    const container = fs.statSync('/proc/self/ns/pid', { throwIfNoEntry: false })?.ino;
    const place = `${read('/proc/sys/kernel/random/boot_id')?.trim()} ${container}`;
    const mine = { id: randomUUID(), host: hostname(), pid, started: startOf(pid), place, beat: Date.now() };
    for (;;) {
      const fd = create(path, mine);
      if (fd !== undefined) return new Lock(path, mine, fd);
      const found = read(path, true);
      if (found === undefined) {
        if (!fs.lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink()) continue; // gone again
        throw new OutputError(`${path} is a link to nothing; remove it and run the same command again`);
      }
      const holder = parse(found);
      const name = holder ? `process ${holder.pid} on ${holder.host}` : 'a process';
      const isHere = holder?.place === mine.place && holder.host === mine.host;
      if (!isHere) onWait(name);
      if (isHere ? runs(holder) : await changes(path, found, deadMs)) return name;
      const replacement = create(`${path}.${mine.id}`, mine) as number;
      // As near to the rename as can be: another may have come first.
      if (read(path) === found) fs.renameSync(`${path}.${mine.id}`, path);
      else fs.rmSync(`${path}.${mine.id}`);
      await sleep(deadMs / LOOKS);
      if (parse(read(path))?.id === mine.id) return new Lock(path, mine, replacement);
      fs.closeSync(replacement);
    }
  }

  /** Whether it is still ours. A process that stood still for long may have been taken for dead. */
  get held(): boolean {
    return Date.now() - this.#beatAt < 2 * BEAT_MS || this.#beat();
  }

  release(): void {
    clearInterval(this.#timer);
    if (this.#isOurs()) fs.rmSync(this.path, { force: true });
    fs.closeSync(this.fd);
  }

  #beat(): boolean {
    if (!this.#isOurs()) return false;
    try {
      fs.writeSync(this.fd, JSON.stringify({ ...this.mine, beat: Date.now() }), 0);
      fs.fsyncSync(this.fd);
    } catch {} // a full disk: the output tells
    this.#beatAt = Date.now();
    return true;
  }

  #isOurs(): boolean {
    return parse(read(this.path))?.id === this.mine.id;
  }
}

/** Whether a lock file becomes another, and is not just taken away. */
async function changes(path: string, found: string, deadMs: number): Promise<boolean> {
  for (let look = 0; look < LOOKS; look++) {
    await sleep(deadMs / LOOKS);
    const now = read(path);
    if (now !== found) return now !== undefined;
  }
  return false;
}

function create(path: string, holder: Holder): number | undefined {
  let fd: number | undefined;
  try {
    fd = fs.openSync(path, 'wx');
    fs.writeSync(fd, JSON.stringify(holder));
    return fd;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return undefined;
    if (fd !== undefined) {
      fs.closeSync(fd);
      fs.rmSync(path); // the disk is full: it names nobody
    }
    throw error;
  }
}

function parse(text = ''): Holder | undefined {
  return parseJson(text) as Holder | undefined;
}

function runs({ pid, started }: Holder): boolean {
  if (started) return startOf(pid) === started;
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Of a process that runs, which a zombie does not. See `stat` in proc(5). */
function startOf(pid: number): string {
  const [state, ...rest] = (read(`/proc/${pid}/stat`) ?? '').split(') ').at(-1)?.split(' ') ?? [];
  return state === 'Z' ? '' : (rest[18] ?? '');
}
