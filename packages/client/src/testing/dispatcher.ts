import { Agent, type Dispatcher } from 'undici';

/** A request as undici sends it. */
export interface SentRequest {
  method: string;
  url: string;
  /** By lower-case names. */
  headers: Record<string, string>;
  body: string | undefined;
}

/** An answer as undici gets it. */
export interface SentAnswer {
  status: number;
  headers: Record<string, string>;
  body: string | Buffer;
}

/** A dispatcher of undici whose requests a function answers: nothing leaves the process. It rejects for a broken one. */
export function answeredBy(answer: (request: SentRequest) => Promise<SentAnswer>): Dispatcher {
  return new Agent().compose(() => ({ origin, path, method, headers, body }, handler) => {
    const controller: Dispatcher.DispatchController = {
      paused: false,
      aborted: false,
      reason: null,
      pause() {},
      resume() {},
      abort(reason) {
        Object.assign(this, { aborted: true, reason });
        handler.onResponseError?.(this, reason);
      },
    };
    const respond = async () => {
      const sent = { method, url: String(new URL(path, origin)), headers: (headers ?? {}) as Record<string, string> };
      const { status, headers: own, body: data } = await answer({ ...sent, body: body as string | undefined });
      if (controller.aborted) return;
      handler.onResponseStart?.(controller, status, own, '');
      handler.onResponseData?.(controller, Buffer.from(data));
      handler.onResponseEnd?.(controller, {});
    };
    handler.onRequestStart?.(controller, {});
    respond().catch((error) => {
      if (!controller.aborted) controller.abort(error);
    });
    return true;
  });
}
