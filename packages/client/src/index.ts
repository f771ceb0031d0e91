export type { Usage } from './budget.js';
export { type ExtractAllOptions, type ExtractOptions, NerClient } from './client.js';
export type { Clock, Wait } from './clock.js';
export type { Outcome } from './document.js';
export {
  AuthenticationError,
  ConfigError,
  ConnectionError,
  DocumentError,
  type ErrorCode,
  NerError,
  ProtocolError,
  RequestError,
  RouteError,
  ServiceUnavailableError,
  TimeoutError,
} from './errors.js';
export type { Entity } from './offsets.js';
export type { NerClientOptions, ResponseInfo } from './options.js';
export type { Progress } from './run.js';
export type { RequestTrace } from './sender.js';
export type { Description, Limits, Model } from './wire.js';
