export { seeded, VirtualClock } from '../../../bench/client/virtual-clock.mjs';
