import { validateHeaderValue } from 'node:http';
import type { Target } from './connection.js';

/** What every request of a run is. */
export interface Load extends Target {
  /** Value of the `apikey` header. */
  apiKey: string;
  /** The document that every request carries. */
  text: string;
  /** How long an answer may take, ms; before that, how long connecting may. @default 60_000 */
  timeoutMs?: number;
  /** Ends the run early: what has no answer yet is `cut`. */
  signal?: AbortSignal;
}

/**
 * One whole request, ready to write.
 *
 * @throws {TypeError} when the key cannot be a header's value
 */
export function encodeRequest({ url, apiKey, text }: Load): Buffer {
  const body = JSON.stringify({ text });
  return Buffer.from(encodeHead(url, apiKey, Buffer.byteLength(body)) + body);
}

/** The head of a POST that ends its connection. */
export function encodeHead(url: URL, apiKey: string, bodyBytes: number): string {
  validateHeaderValue('apikey', apiKey);
  const head = [
    `POST ${url.pathname}${url.search} HTTP/1.1`,
    `host: ${url.host}`,
    `apikey: ${apiKey}`,
    'content-type: application/json',
    `content-length: ${bodyBytes}`,
    'connection: close',
  ];
  return `${head.join('\r\n')}\r\n\r\n`;
}
