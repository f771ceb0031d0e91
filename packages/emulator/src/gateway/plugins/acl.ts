import { z } from 'zod';
import type { Plugin } from '../exchange.js';
import { set } from '../headers.js';

/** Lets in the consumers of some groups. */
export const acl = z
  .strictObject({
    allow: z.array(z.string().min(1)).min(1),
    hide_groups_header: z.boolean().default(false),
  })
  .transform(
    ({ allow, hide_groups_header }): Plugin =>
      (exchange) => {
        const groups = exchange.credential?.consumer.groups ?? [];
        if (!groups.some((group) => allow.includes(group))) {
          return { status: 403, message: 'You cannot consume this service' };
        }
        if (!hide_groups_header) set(exchange.headers, 'X-Consumer-Groups', groups.join(', '));
        return undefined;
      },
  );
