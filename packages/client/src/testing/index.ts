export { type FakeAnswer, FakeGateway, type FakeGatewayOptions, type FakeRequest } from './gateway.js';
export { mswDispatcher } from './msw.js';
export { VirtualClock } from './virtual-clock.js';
