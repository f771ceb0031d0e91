import { randomUUID } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readFileSync, readlinkSync, renameSync, rmSync, writeSync } from 'node:fs';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

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
  /** Grows while it lives. Of a fixed length, so that it is overwritten in place. */
  beat: string;
}

/**
 * Holds a path for this process by a file that names it, also against other hosts and containers on a shared file system:
 * Node has no flock, and not every network file system has. A holder of the same boot and container is looked up among the
 * processes. Of any other nobody can tell but by its heartbeat: no clock is compared, it is watched for 20 s.
 */
export class Lock {
  readonly #path: string;
  readonly #mine: Holder;
  readonly #fd: number;
  readonly #timer: NodeJS.Timeout;
  #beats = 0;
  #beatAt = Date.now();

  private constructor(path: string, mine: Holder, fd: number) {
    this.#path = path;
    this.#mine = mine;
    this.#fd = fd;
    this.#timer = setInterval(() => this.#beat(), BEAT_MS).unref();
  }

  /**
   * @param onWait called before it watches a holder that it cannot look up
   * @param deadMs how long such a holder may give no heartbeat
   * @returns the holder when another process holds it
   * @throws {NodeJS.ErrnoException} when the file cannot be written
   */
  static async take(path: string, onWait: (holder: string) => void, deadMs = 4 * BEAT_MS): Promise<Lock | string> {
    const id = randomUUID();
    const mine = {
      id,
      host: hostname(),
      pid: process.pid,
      started: startOf(process.pid),
      place: place(),
      beat: beat(0),
    };
    for (;;) {
      const fd = create(path, mine);
      if (fd !== undefined) return new Lock(path, mine, fd);
      const found = read(path);
      if (found === undefined) continue; // gone again
      if (await isAlive(found, path, mine, onWait, deadMs)) return words(parse(found));
      const gone = `${path}.${id}`;
      const replacement = create(gone, mine) as number;
      // As near to the rename as can be: another may have come first.
      if (read(path) === found) renameSync(gone, path);
      else rmSync(gone);
      await sleep(deadMs / LOOKS);
      if (parse(read(path))?.id === id) return new Lock(path, mine, replacement);
      closeSync(replacement);
    }
  }

  /** Whether it is still ours. A process that stood still for long may have been taken for dead. */
  get held(): boolean {
    return Date.now() - this.#beatAt < 2 * BEAT_MS || this.#beat();
  }

  release(): void {
    clearInterval(this.#timer);
    if (this.#isOurs()) rmSync(this.#path, { force: true });
    closeSync(this.#fd);
  }

  /** Written to our own file, whatever the path leads to by now. */
  #beat(): boolean {
    if (!this.#isOurs()) return false;
    try {
      writeSync(this.#fd, JSON.stringify({ ...this.#mine, beat: beat(++this.#beats) }), 0);
      fsyncSync(this.#fd);
    } catch {} // a full disk: the output tells
    this.#beatAt = Date.now();
    return true;
  }

  #isOurs(): boolean {
    return parse(read(this.#path))?.id === this.#mine.id;
  }
}

async function isAlive(
  found: string,
  path: string,
  mine: Holder,
  onWait: (holder: string) => void,
  deadMs: number,
): Promise<boolean> {
  const holder = parse(found);
  if (holder?.place === mine.place && holder.host === mine.host) return runs(holder);
  onWait(words(holder));
  for (let look = 0; look < LOOKS; look++) {
    await sleep(deadMs / LOOKS);
    const now = read(path);
    if (now !== found) return now !== undefined;
  }
  return false;
}

function create(path: string, holder: Holder): number | undefined {
  try {
    const fd = openSync(path, 'wx');
    writeSync(fd, JSON.stringify(holder));
    return fd;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return undefined;
    throw error;
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function parse(text = ''): Holder | undefined {
  try {
    return JSON.parse(text) as Holder;
  } catch {
    return undefined;
  }
}

function words(holder: Holder | undefined): string {
  return holder ? `process ${holder.pid} on ${holder.host}` : 'a process';
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

function place(): string {
  try {
    return `${read('/proc/sys/kernel/random/boot_id')?.trim()} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return '';
  }
}

function beat(n: number): string {
  return String(n).padStart(9, '0');
}
