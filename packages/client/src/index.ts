export {
  type ExtractAllOptions,
  type ExtractOptions,
  NerClient,
  type NerClientOptions,
  type Outcome,
  type ResponseInfo,
} from './client.js';
export {
  AuthenticationError,
  ConfigError,
  ConnectionError,
  DocumentError,
  NerError,
  ProtocolError,
  RequestError,
  RouteError,
  TimeoutError,
} from './errors.js';
export type { Entity } from './offsets.js';
export type { Clock } from './retry.js';
export type { Model } from './wire.js';
