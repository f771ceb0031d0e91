import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

/** What a function, or the platform on its behalf, says went wrong. */
export interface FunctionError {
  /** For example `Runtime.ExitError`, `Sandbox.Timedout`, or the class of a Python exception. */
  errorType: string;
  errorMessage: string;
}

/** One event on its way to the runtime. */
export interface Invocation {
  requestId: string;
  /** When the function time-out strikes, in ms since the epoch. */
  deadlineMs: number;
  functionArn: string;
  /** JSON. */
  event: string;
}

/** How an invocation ended: the JSON that the handler returned, or an error. */
export type InvocationResult = { payload: Buffer } | { error: FunctionError };

interface Current {
  requestId: string;
  /** Set once the runtime posted it. It is handed on when the runtime asks for its next event, or ends. */
  result?: InvocationResult;
  resolve(result: InvocationResult): void;
}

const PREFIX = '/2018-06-01/runtime';
// 6 MB and 100 bytes: Lambda's own error names the figure ("Exceeded maximum allowed payload size (6291556 bytes).").
const MAX_RESPONSE_BYTES = 6_291_556;

/**
 * A Lambda Runtime API server (version 2018-06-01) for one runtime process, on loopback.
 *
 * @see https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
 */
export class RuntimeApi {
  /** `host:port`, the value of AWS_LAMBDA_RUNTIME_API. */
  readonly address: string;
  /** Settles when init is over: with nothing when the runtime asked for its first event, else with the reason. */
  readonly ready: Promise<FunctionError | undefined>;
  readonly #server: Server;
  #settleReady: (failure?: FunctionError) => void = () => {};
  #next: ServerResponse | undefined;
  #current: Current | undefined;
  #ended: FunctionError | undefined;

  private constructor(server: Server) {
    this.#server = server;
    this.address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    this.ready = new Promise((resolve) => {
      this.#settleReady = resolve;
    });
    server.on('request', (request, response) => {
      // A request that breaks off is the end of the process, which is noticed on its own.
      this.#handle(request, response).catch(() => response.destroy());
    });
  }

  static async listen(): Promise<RuntimeApi> {
    const server = createServer();
    // The runtime waits on GET …/next for as long as nobody calls the function.
    server.keepAliveTimeout = 0;
    server.requestTimeout = 0;
    server.headersTimeout = 0;
    await once(server.listen(0, '127.0.0.1'), 'listening');
    return new RuntimeApi(server);
  }

  /** Hands one event to the runtime, which must be waiting for it, and gives what came of it; after the end, its error. */
  async invoke({ requestId, deadlineMs, functionArn, event }: Invocation): Promise<InvocationResult> {
    if (this.#ended) return { error: this.#ended };
    return new Promise((resolve) => {
      this.#current = { requestId, resolve };
      const next = this.#next;
      this.#next = undefined;
      // awslambdaric needs these.
      next?.writeHead(200, {
        'Content-Type': 'application/json',
        'Lambda-Runtime-Aws-Request-Id': requestId,
        'Lambda-Runtime-Deadline-Ms': String(deadlineMs),
        'Lambda-Runtime-Invoked-Function-Arn': functionArn,
      });
      next?.end(event);
    });
  }

  /** Closes every socket. What still waits gets `error`, unless the runtime had already posted a result. */
  async end(error: FunctionError): Promise<void> {
    this.#ended ??= error;
    this.#settleReady(error);
    this.#finish(error);
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  #finish(error: FunctionError): void {
    const current = this.#current;
    this.#current = undefined;
    current?.resolve(current.result ?? { error });
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await buffer(request);
    const path = `${request.method} ${request.url?.replace(PREFIX, '')}`;
    if (path === 'GET /invocation/next') {
      this.#next = response;
      this.#settleReady();
      // Only now is the environment free for another event, so only now is the result handed on.
      this.#finish({ errorType: 'Runtime.NoResponse', errorMessage: 'the runtime posted no response' });
      return;
    }
    if (path === 'POST /init/error') {
      this.#settleReady(parseError(body));
      return reply(response, 202, ACCEPTED);
    }
    const [, requestId, kind] = /^POST \/invocation\/([^/]+)\/(response|error)$/.exec(path) ?? [];
    const current = this.#current;
    if (!requestId || current?.requestId !== requestId) {
      return reply(response, 400, { errorType: 'InvalidRequestID', errorMessage: 'Invalid request ID' });
    }
    if (kind === 'error') {
      current.result = { error: parseError(body) };
    } else if (body.length > MAX_RESPONSE_BYTES) {
      const errorMessage = `Response payload size exceeded maximum allowed payload size (${MAX_RESPONSE_BYTES} bytes).`;
      current.result = { error: { errorType: 'Function.ResponseSizeTooLarge', errorMessage } };
      return reply(response, 413, { errorType: 'RequestEntityTooLarge', errorMessage });
    } else {
      current.result = { payload: body };
    }
    reply(response, 202, ACCEPTED);
  }
}

const ACCEPTED = { status: 'OK' };

function reply(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
}

function parseError(body: Buffer): FunctionError {
  try {
    const { errorType, errorMessage } = JSON.parse(body.toString()) as Partial<FunctionError>;
    return { errorType: String(errorType ?? 'Unhandled'), errorMessage: String(errorMessage ?? '') };
  } catch {
    return { errorType: 'Unhandled', errorMessage: 'the runtime reported an error that is not JSON' };
  }
}
