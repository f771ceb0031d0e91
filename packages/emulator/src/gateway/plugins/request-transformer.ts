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
 * The plugin sets all of them anew, so an empty value becomes a space.
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
        for (const header of exchange.readable) header[1] ||= ' ';
        for (const [name, value] of add?.headers ?? []) {
          if (name.toLowerCase() !== 'host' && values(headers, name).length === 0) headers.push([name, value]);
        }
        return undefined;
      },
  );
