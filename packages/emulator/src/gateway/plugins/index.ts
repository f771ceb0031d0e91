import { z } from 'zod';
import type { Plugin } from '../exchange.js';
import { acl } from './acl.js';
import { correlationId } from './correlation-id.js';
import { keyAuth } from './key-auth.js';
import { rateLimiting } from './rate-limiting.js';
import { requestSizeLimiting } from './request-size-limiting.js';
import { requestTransformer } from './request-transformer.js';

/** The supported plugins as the config has them, in the order in which Kong 3.9 runs them (each handler's PRIORITY). */
export const PLUGINS = [
  plugin('correlation-id', correlationId), // 100001
  plugin('key-auth', keyAuth), // 1250
  plugin('request-size-limiting', requestSizeLimiting), // 951
  plugin('acl', acl), // 950
  plugin('rate-limiting', rateLimiting), // 910
  plugin('request-transformer', requestTransformer), // 801
] as const;

/** Their names, in the same order. */
export const NAMES = PLUGINS.map(({ shape }) => shape.name.value);

function plugin<N extends string, C extends z.ZodType<Plugin>>(name: N, config: C) {
  const tags = z.array(z.string()).optional();
  return z.strictObject({ name: z.literal(name), tags, config: z.preprocess((given) => given ?? {}, config) });
}
