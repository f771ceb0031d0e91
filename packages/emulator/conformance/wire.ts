import { connect, type Socket } from 'node:net';

/** An answer as it came over the wire. */
export interface Answer {
  http: string;
  status: number;
  reason: string;
  headers: [string, string][];
  /** latin1 */
  body: string;
  framing: string;
  /** 1xx answers before it. */
  interim: number[];
}

/** A client connection that speaks bytes. */
export class Wire {
  #bytes = '';
  #endedAt: number | undefined;
  #wake = () => {};

  private constructor(readonly socket: Socket) {
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => {
      this.#bytes += text;
      this.#wake();
    });
    for (const event of ['end', 'close', 'error']) {
      socket.on(event, () => {
        this.#endedAt ??= performance.now();
        this.#wake();
      });
    }
  }

  static async open(port: number): Promise<Wire> {
    const socket = connect(port, '127.0.0.1');
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    return new Wire(socket);
  }

  /** Sends text as latin1 bytes. */
  send(text: string): void {
    this.socket.write(text, 'latin1');
  }

  /** Whether the gateway has ended the connection. */
  get ended(): boolean {
    return this.#endedAt !== undefined;
  }

  /** performance.now() when it did. */
  get endedAt(): number | undefined {
    return this.#endedAt;
  }

  /** Waits until the gateway ends the connection. */
  async end(): Promise<void> {
    await this.#until(() => this.ended);
  }

  /** Reads one answer, with the 1xx ones before it. */
  async answer(method = 'POST'): Promise<Answer> {
    const interim: number[] = [];
    for (;;) {
      await this.#until(() => this.#bytes.includes('\r\n\r\n') || this.ended);
      const end = this.#bytes.indexOf('\r\n\r\n');
      if (end < 0) throw new Error('the connection ended without an answer');
      const [line = '', ...rest] = this.#bytes.slice(0, end).split('\r\n');
      this.#bytes = this.#bytes.slice(end + 4);
      const [, http = '', status = '', reason = ''] = /^(\S+) (\d+) ?(.*)$/.exec(line) ?? [];
      if (status.startsWith('1')) {
        interim.push(Number(status));
        continue;
      }
      const headers = rest.map((text): [string, string] => {
        const colon = text.indexOf(':');
        return [text.slice(0, colon), text.slice(colon + 1).trim()];
      });
      const { body, framing } = await this.#body(headers, method, Number(status));
      return { http, status: Number(status), reason, headers, body, framing, interim };
    }
  }

  close(): void {
    this.socket.destroy();
  }

  async #body(headers: [string, string][], method: string, status: number): Promise<{ body: string; framing: string }> {
    const find = (name: string) => headers.find(([key]) => key.toLowerCase() === name)?.[1];
    if (method === 'HEAD' || status === 204 || status === 304) return { body: '', framing: 'none' };
    const length = find('content-length');
    if (length !== undefined) {
      await this.#until(() => this.#bytes.length >= Number(length) || this.ended);
      const whole = this.#bytes.length >= Number(length);
      return {
        body: this.#take(Number(length)),
        framing: whole ? 'content-length' : 'content-length (connection closed early)',
      };
    }
    if (find('transfer-encoding') !== 'chunked') {
      await this.end();
      return { body: this.#take(this.#bytes.length), framing: 'close' };
    }
    let body = '';
    for (;;) {
      await this.#until(() => this.#bytes.includes('\r\n') || this.ended);
      const size = Number.parseInt(this.#take(this.#bytes.indexOf('\r\n') + 2), 16);
      await this.#until(() => this.#bytes.length >= size + 2 || this.ended);
      if (!(this.#bytes.length >= size + 2)) {
        return { body: body + this.#take(this.#bytes.length), framing: 'chunked (connection closed early)' };
      }
      body += this.#take(size);
      this.#take(2);
      if (size === 0) return { body, framing: 'chunked' };
    }
  }

  #take(count: number): string {
    const text = this.#bytes.slice(0, count);
    this.#bytes = this.#bytes.slice(count);
    return text;
  }

  async #until(done: () => boolean): Promise<void> {
    while (!done()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
