export { seeded } from '../../../bench/client/virtual-clock.mjs';
export { VirtualClock } from '../src/testing/virtual-clock.js';
