import { z } from 'zod';
import type { Plugin } from '../exchange.js';
import { type Headers, remove, values } from '../headers.js';

const NAME = /^[\w-]+$/;

const addition = z
  .string()
  .regex(/^[\w-]+:./, 'must be "name:value"')
  .refine((pair) => !pair.includes('$('), 'has a template; only fixed values are supported')
  .transform((pair): [string, string] => {
    const [, name = '', value = ''] = /^([^:]+):*(.*)$/.exec(pair) ?? [];
    return [name, value];
  });

/**
 * Changes the headers that go up: `remove` first, then `add`, which leaves a header alone that is still there.
 *
 * The plugin sets all of them anew, so an empty value becomes a space, and of several headers of one name the further ones
 * come last, their names in lower case.
 */
export const requestTransformer = z
  .strictObject({
    remove: z.strictObject({ headers: z.array(z.string().regex(NAME)).default([]) }).optional(),
    add: z.strictObject({ headers: z.array(addition).default([]) }).optional(),
  })
  .transform(
    (config): Plugin => ({
      access(exchange) {
        for (const name of config.remove?.headers ?? []) {
          if (name.toLowerCase() !== 'host') remove(exchange.headers, name);
        }
        const further: Headers = [];
        const seen = new Set<string>();
        for (const header of exchange.readable) {
          const [name, value] = header;
          header[1] = value || ' ';
          if (seen.has(name.toLowerCase())) {
            exchange.headers.splice(exchange.headers.indexOf(header), 1);
            further.push([name.toLowerCase(), header[1]]);
          }
          seen.add(name.toLowerCase());
        }
        exchange.headers.push(...further);
        for (const [name, value] of config.add?.headers ?? []) {
          if (name.toLowerCase() !== 'host' && values(exchange.headers, name).length === 0) {
            exchange.headers.push([name, value]);
          }
        }
        return undefined;
      },
    }),
  );
