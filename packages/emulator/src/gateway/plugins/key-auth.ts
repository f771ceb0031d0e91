import { z } from 'zod';
import type { Exchange, Plugin, Refusal } from '../exchange.js';
import { remove, set, values } from '../headers.js';

/** Lets a request pass that carries a consumer's API key, in a header or in the query. */
export const keyAuth = z
  .strictObject({
    key_names: z
      .array(z.string().regex(/^[\w-]+$/))
      .min(1)
      .default(['apikey']),
    key_in_header: z.boolean().default(true),
    key_in_query: z.boolean().default(true),
    key_in_body: z.literal(false).default(false),
    hide_credentials: z.boolean().default(false),
    run_on_preflight: z.boolean().default(true),
  })
  .transform(
    (config): Plugin =>
      (exchange) => {
        if (!config.run_on_preflight && exchange.head.method === 'OPTIONS') return undefined;
        for (const name of config.key_names) {
          let found = config.key_in_header ? values(exchange.readable, name) : [];
          if (found.length === 0 && config.key_in_query) found = new URLSearchParams(exchange.query).getAll(name);
          if (found.length > 1) return unauthorized('Duplicate API key found');
          const [key] = found;
          if (key === undefined) continue;
          if (config.hide_credentials) hide(exchange, name);
          return key === '' ? unauthorized('No API key found in request') : authenticate(exchange, key);
        }
        return unauthorized('No API key found in request');
      },
  );

function authenticate(exchange: Exchange, key: string): Refusal | undefined {
  const credential = exchange.shared.credentials.find(key);
  if (!credential) return unauthorized('Unauthorized');
  const { consumer } = credential;
  exchange.credential = credential;
  // Set or removed, never passed on: a caller cannot claim to be somebody.
  set(exchange.headers, 'X-Consumer-ID', consumer.id);
  if (consumer.customId === undefined) remove(exchange.headers, 'X-Consumer-Custom-ID');
  else set(exchange.headers, 'X-Consumer-Custom-ID', consumer.customId);
  set(exchange.headers, 'X-Consumer-Username', consumer.username);
  set(exchange.headers, 'X-Credential-Identifier', credential.id);
  remove(exchange.headers, 'X-Anonymous-Consumer');
  return undefined;
}

function hide(exchange: Exchange, name: string): void {
  remove(exchange.headers, name);
  if (!exchange.query) return;
  // Kong rewrites the whole query with a WHATWG parser, whether the key was in it or not.
  const query = new URLSearchParams(Buffer.from(exchange.query, 'latin1').toString());
  query.delete(name);
  exchange.query = query.toString();
}

function unauthorized(message: string): Refusal {
  return { status: 401, message, headers: [['WWW-Authenticate', 'Key']] };
}
