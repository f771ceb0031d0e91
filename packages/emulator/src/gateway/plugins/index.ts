import { acl } from './acl.js';
import { correlationId } from './correlation-id.js';
import { keyAuth } from './key-auth.js';
import { rateLimiting } from './rate-limiting.js';
import { requestSizeLimiting } from './request-size-limiting.js';
import { requestTransformer } from './request-transformer.js';

/** The supported plugins' configs, in the order in which Kong 3.9 runs the plugins (each handler's PRIORITY). */
export const PLUGINS = {
  'correlation-id': correlationId, // 100001
  'key-auth': keyAuth, // 1250
  'request-size-limiting': requestSizeLimiting, // 951
  acl, // 950
  'rate-limiting': rateLimiting, // 910
  'request-transformer': requestTransformer, // 801
};
