export type { Usage } from './budget.js';
export { type ExtractAllOptions, type ExtractOptions, NerClient } from './client.js';
export type { Clock } from './clock.js';
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
export type { AnswerEvent, NerClientOptions, NerEvent, OutageEvent, WaitEvent } from './options.js';
export type { RequestTrace } from './sender.js';
export type { Description, Limits, Model } from './wire.js';
