import type { Socket } from 'node:net';

/**
 * Bytes: unread ones after which a connection is read no further, those that are written at once, and those of the longest
 * line of chunked coding and of an upstream's head.
 */
const HIGH_WATER = 65_536;

/** A chunk's size, with its extension. */
const SIZE = /^0*[\da-f]{1,15}(?:[ \t;][^\r]*)?\r?$/i;

/** Nothing came, or nothing was taken, for too long. */
export class TimedOut extends Error {}

/** What came is not HTTP. */
export class Malformed extends Error {}

/** The connection ended in the middle of a message. */
export class Ended extends Error {}

/** The bytes that come over a connection, read as they are needed. */
export class Reader {
  /** How long the next bytes may take, ms; 0 sets no bound. */
  patience = 0;
  /** Why the connection ended, where it did not end in order. */
  error: Error | undefined;
  #bytes: Buffer = Buffer.alloc(0);
  #ended = false;
  #wake = () => {};

  constructor(readonly socket: Socket) {
    socket.on('data', (chunk: Buffer) => {
      this.#bytes = this.#bytes.length > 0 ? Buffer.concat([this.#bytes, chunk]) : chunk;
      if (this.#bytes.length >= HIGH_WATER) socket.pause();
      this.#wake();
    });
    socket.on('error', (error) => {
      this.error ??= error;
    });
    for (const event of ['end', 'close']) {
      socket.on(event, () => {
        this.#ended = true;
        this.#wake();
      });
    }
  }

  /** Whether bytes have come that nobody has taken. */
  get pending(): boolean {
    return this.#bytes.length > 0;
  }

  /** Waits for bytes. False: there will be none. */
  async ready(): Promise<boolean> {
    return this.pending || this.#more();
  }

  /**
   * The next line, in latin1, without its LF; undefined when the connection ended before.
   *
   * @param limit bytes with the LF
   * @param shape of a line's beginning
   * @returns null for a longer one, and for one that begins otherwise
   */
  async line(limit = HIGH_WATER, shape?: RegExp): Promise<string | null | undefined> {
    for (let from = 0; ; ) {
      const end = this.#bytes.indexOf('\n', from);
      if (end >= limit || (end < 0 && this.#bytes.length >= limit)) return null;
      if (end >= 0) return this.#take(end + 1).toString('latin1', 0, end);
      if (shape && this.pending && !shape.test(this.#bytes.toString('latin1'))) return null;
      from = this.#bytes.length;
      if (!(await this.#more())) return undefined;
    }
  }

  /**
   * The next line of a message, without its end.
   *
   * @param shape of the line and of its beginning, its CR with it: what is wrong is known before its end
   * @throws {Malformed} for one that is too long, or of another shape
   * @throws {Error} when the connection ends before
   */
  async text(shape?: RegExp): Promise<string> {
    const line = await this.line(HIGH_WATER, shape);
    if (line === undefined) throw this.error ?? new Ended();
    if (line === null || (shape && !shape.test(line))) throw new Malformed();
    return line.replace(/\r$/, '');
  }

  /**
   * A message's body in parts.
   *
   * @param framing its length in bytes, or how its end is told
   * @throws {Malformed} for chunks that are none
   * @throws {Ended} when the connection ends before the body
   */
  async *body(framing: number | 'chunked' | 'close'): AsyncGenerator<Buffer, void> {
    if (framing === 'close') {
      while (await this.ready()) yield this.#take(this.#bytes.length);
      if (this.error) throw this.error;
      return;
    }
    if (framing !== 'chunked') return yield* this.#exactly(framing);
    for (;;) {
      const size = Number.parseInt(await this.text(SIZE), 16);
      if (size === 0) break;
      yield* this.#exactly(size);
      await this.text(/^\r?$/);
    }
    // Trailers end here.
    while ((await this.text(/^[^\r]*\r?$/)) !== '');
  }

  async *#exactly(length: number): AsyncGenerator<Buffer, void> {
    for (let left = length; left > 0; ) {
      if (!(await this.ready())) throw new Ended();
      const part = this.#take(Math.min(left, this.#bytes.length));
      left -= part.length;
      yield part;
    }
  }

  #take(count: number): Buffer {
    const taken = this.#bytes.subarray(0, count);
    this.#bytes = this.#bytes.subarray(count);
    return taken;
  }

  /** Waits for more bytes than there are. */
  async #more(): Promise<boolean> {
    const before = this.#bytes.length;
    if (this.#ended) return false;
    if (this.socket.isPaused()) this.socket.resume();
    let timer: NodeJS.Timeout | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        this.#wake = resolve;
        if (this.patience > 0) timer = setTimeout(() => reject(new TimedOut()), this.patience);
      });
    } finally {
      clearTimeout(timer);
      this.#wake = () => {};
    }
    return this.#bytes.length > before;
  }
}

/**
 * Writes, and waits until the kernel has taken it.
 *
 * @param patience how long that may take for a part of it, ms
 * @throws {Error} when the other side is gone, or does not read
 */
export async function write(socket: Socket, bytes: Buffer, patience: number): Promise<void> {
  for (let at = 0; at < bytes.length; at += HIGH_WATER) {
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new TimedOut());
        socket.destroy();
      }, patience);
      socket.write(bytes.subarray(at, at + HIGH_WATER), (error) => {
        clearTimeout(timer);
        if (error) reject(error);
        else resolve();
      });
    });
  }
}
