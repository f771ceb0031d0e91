import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { Plugin } from '../exchange.js';
import { set, values } from '../headers.js';

/** Gives each request an id, unless the caller sent one, and sends it both ways. */
export const correlationId = z
  .strictObject({
    header_name: z.string().min(1).default('Kong-Request-ID'),
    generator: z.literal('uuid'),
    echo_downstream: z.boolean().default(false),
  })
  .transform(
    (config): Plugin =>
      (exchange) => {
        const sent = values(exchange.headers, config.header_name)[0];
        const id = sent || randomUUID();
        if (!sent) set(exchange.headers, config.header_name, id);
        if (config.echo_downstream) set(exchange.echoed, config.header_name, id);
        return undefined;
      },
  );
