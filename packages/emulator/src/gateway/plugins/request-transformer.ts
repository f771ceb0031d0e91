import { z } from 'zod';
import type { Plugin } from '../exchange.js';
import { remove, values } from '../headers.js';

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
 * The plugin sets all of them anew: an empty value becomes a space, and a further value of a name goes behind all others.
 */
export const requestTransformer = z
  .strictObject({
    remove: z.strictObject({ headers: z.array(z.string().regex(NAME)).default([]) }).optional(),
    add: z.strictObject({ headers: z.array(addition).default([]) }).optional(),
  })
  .transform(
    ({ remove: unwanted, add }): Plugin =>
      (exchange) => {
        const { headers } = exchange;
        for (const name of unwanted?.headers ?? []) {
          if (name.toLowerCase() !== 'host') remove(headers, name);
        }
        const known = new Set<string>();
        for (const header of exchange.readable) {
          const [name, value] = header;
          header[1] = value || ' ';
          if (known.has(name.toLowerCase())) {
            headers.splice(headers.indexOf(header), 1);
            headers.push([name.toLowerCase(), header[1]]);
          }
          known.add(name.toLowerCase());
        }
        for (const [name, value] of add?.headers ?? []) {
          if (name.toLowerCase() !== 'host' && values(headers, name).length === 0) headers.push([name, value]);
        }
        return undefined;
      },
  );
