import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { IncomingMessage, OutgoingHttpHeader, ServerResponse } from 'node:http';

/** An answer that left the gateway. */
export interface AnswerEvent {
  event: 'answer';
  method: string;
  status: number;
  /** From the arrival of the request to the end of the answer. */
  ms: number;
  /** The gateway's own, or one that came from the function or for want of one. */
  by: 'gateway' | 'upstream';
  /** Whose key it was; undefined for an unknown one. */
  consumer?: string;
  /** What the answer says of the consumer's rate limit: requests a window, what is left, and s until it begins anew. */
  budget?: { limit: number; remaining: number; resetS: number };
}

interface Start {
  request: IncomingMessage;
  response: ServerResponse;
}

/**
 * Tells of every answer that a server of this process gives, from outside: by Node's own channel for that.
 *
 * @param port of the server
 * @param consumers API keys by consumer
 * @returns ends it
 */
export function watchAnswers(
  port: number,
  consumers: Readonly<Record<string, string>>,
  onAnswer: (answer: AnswerEvent) => void,
): () => void {
  const onStart = (message: unknown) => {
    const { request, response } = message as Start;
    if (request.socket.localPort !== port) return;
    const arrived = performance.now();
    let headers = new Map<string, string>();
    // Headers that are given as a list are not to be had from the response afterwards.
    const { writeHead } = response;
    response.writeHead = ((...args: Parameters<typeof writeHead>) => {
      const given: unknown = args.at(-1);
      if (Array.isArray(given)) headers = pairs(given);
      return writeHead.apply(response, args);
    }) as typeof writeHead;
    response.once('finish', () => {
      const key = request.headers['apikey'];
      const consumer = Object.keys(consumers).find((name) => consumers[name] === key);
      const [limit, remaining, resetS] = ['limit', 'remaining', 'reset'].map((name) =>
        headers.get(`ratelimit-${name}`),
      );
      onAnswer({
        event: 'answer',
        method: request.method ?? '',
        status: response.statusCode,
        ms: performance.now() - arrived,
        by: headers.has('via') ? 'upstream' : 'gateway',
        ...(consumer !== undefined && { consumer }),
        ...(limit && { budget: { limit: Number(limit), remaining: Number(remaining), resetS: Number(resetS) } }),
      });
    });
  };
  subscribe('http.server.request.start', onStart);
  return () => void unsubscribe('http.server.request.start', onStart);
}

/** Names in lower case, and their last values, of a list of names and values in turn. */
function pairs(list: readonly OutgoingHttpHeader[]): Map<string, string> {
  const found = new Map<string, string>();
  for (let at = 0; at < list.length; at += 2) found.set(String(list[at]).toLowerCase(), String(list[at + 1]));
  return found;
}
