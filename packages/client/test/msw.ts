import { getResponse, HttpResponse, type RequestHandler } from 'msw';
import { Agent, type Dispatcher } from 'undici';

/** A dispatcher whose requests msw's handlers answer. One that no handler takes gets a 501: nothing leaves the process. */
export function mswDispatcher(...handlers: RequestHandler[]): Dispatcher {
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
    const answer = async () => {
      const init = { method, headers: headers as Record<string, string>, body: (body ?? null) as string | null };
      const request = new Request(new URL(path, origin), init);
      const missing = { message: `no msw handler for ${method} ${request.url}` };
      const response = (await getResponse(handlers, request)) ?? HttpResponse.json(missing, { status: 501 });
      const data = Buffer.from(await response.arrayBuffer());
      if (controller.aborted) return;
      if (response.type === 'error') return controller.abort(new Error('HttpResponse.error()'));
      handler.onResponseStart?.(controller, response.status, Object.fromEntries(response.headers), response.statusText);
      handler.onResponseData?.(controller, data);
      handler.onResponseEnd?.(controller, {});
    };
    handler.onRequestStart?.(controller, {});
    answer().catch((error) => controller.abort(error));
    return true;
  });
}
