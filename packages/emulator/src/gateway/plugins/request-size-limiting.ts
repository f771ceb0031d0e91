import { z } from 'zod';
import type { Plugin } from '../exchange.js';
import { values } from '../headers.js';

const UNITS = { bytes: 1, kilobytes: 1024, megabytes: 1_048_576 };

/** Refuses bodies over a size: by Content-Length, or by counting a chunked body. */
export const requestSizeLimiting = z
  .strictObject({
    allowed_payload_size: z.int().default(128),
    size_unit: z.enum(['megabytes', 'kilobytes', 'bytes']).default('megabytes'),
  })
  .transform(
    ({ allowed_payload_size, size_unit }): Plugin =>
      async (exchange) => {
        const limit = allowed_payload_size * UNITS[size_unit];
        const declared = values(exchange.readable, 'content-length')[0];
        const size = declared === undefined ? (await exchange.body(limit)).length : Number(declared);
        if (size <= limit) return undefined;
        const expects = values(exchange.readable, 'expect')[0]?.trim().toLowerCase() === '100-continue';
        return { status: expects ? 417 : 413, message: 'Request size limit exceeded' };
      },
  );
