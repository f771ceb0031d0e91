import { z } from 'zod';
import type { Exchange, Plugin } from '../exchange.js';

/** Calendar windows, in seconds. UTC has no leap seconds here, so a window starts at a multiple of its length. */
const WINDOWS = { second: 1, minute: 60, hour: 3600 };

type Period = keyof typeof WINDOWS;

const PERIODS = Object.keys(WINDOWS) as Period[];

/**
 * How long a request is not yet counted, unless it is answered before, ms. Kong counts in a timer that runs after the
 * events at hand, and nginx takes the requests of a burst as such events. Node takes them a few at a time; with this
 * delay bursts are admitted as those recorded from Kong were (`npm run bench -- emulator`).
 */
const COUNT_DELAY = 20;

const limit = z.number().positive().optional();

/**
 * Limits requests a consumer by calendar window, as Kong's `policy: local`.
 *
 * It checks first and counts later: what arrives meanwhile is checked against the same count, so a burst is
 * over-admitted, as Kong's is.
 */
export const rateLimiting = z
  .strictObject({
    second: limit,
    minute: limit,
    hour: limit,
    policy: z.literal('local').default('local'),
    limit_by: z.literal('consumer').default('consumer'),
    // Says what happens when a store fails. `local` has none.
    fault_tolerant: z.boolean().default(true),
    hide_client_headers: z.boolean().default(false),
  })
  .refine((config) => PERIODS.some((period) => config[period] !== undefined), 'needs one of second, minute, hour')
  .refine(
    ({ second = 0, minute, hour }) => second <= (minute ?? hour ?? second) && (minute ?? 0) <= (hour ?? minute ?? 0),
    'a longer period cannot have the lower limit',
  )
  .transform((config): Plugin => {
    const limits = PERIODS.flatMap((period) => {
      const most = config[period];
      return most === undefined ? [] : [{ period, limit: most, window: WINDOWS[period] }];
    });
    const plugin: Plugin = (exchange) => {
      const now = Math.floor(exchange.arrivedAt / 1000);
      const { counts } = exchange.shared;
      const owner = identifier(exchange, plugin);
      const usage = limits.map((each) => {
        const budget = `${owner}:${each.period}`;
        const start = now - (now % each.window);
        const counted = counts.get(budget);
        return { ...each, budget, start, left: each.limit - (counted?.start === start ? counted.count : 0) };
      });
      const stop = usage.findLast(({ left }) => left <= 0)?.period;
      const shown = usage.map((each) => ({
        ...each,
        left: Math.max(0, stop === undefined || stop === each.period ? each.left - 1 : each.left),
      }));
      // The window that is nearest to its end of budget speaks for all; of two, the longer.
      const tightest = shown.reduce((a, b) => (b.left <= a.left ? b : a));
      const resetS = tightest.start + tightest.window - now;
      exchange.budget = { limit: tightest.limit, remaining: tightest.left, resetS };
      if (!config.hide_client_headers) {
        const tell = (name: string, value: number) => exchange.added.push([name, String(value)]);
        for (const { period, limit, left } of shown) {
          const name = period.replace(/^./, (first) => first.toUpperCase());
          tell(`X-RateLimit-Limit-${name}`, limit);
          tell(`X-RateLimit-Remaining-${name}`, left);
        }
        tell('RateLimit-Limit', tightest.limit);
        tell('RateLimit-Remaining', tightest.left);
        tell('RateLimit-Reset', resetS);
        if (stop) tell('Retry-After', resetS);
      }
      if (stop) return { status: 429, message: 'API rate limit exceeded' };
      const count = () => {
        clearTimeout(timer);
        exchange.onEnd = () => {};
        for (const { budget, start } of usage) {
          const counted = counts.get(budget);
          if (!counted || counted.start < start) counts.set(budget, { start, count: 1 });
          else if (counted.start === start) counted.count += 1;
        }
      };
      const timer = setTimeout(count, COUNT_DELAY);
      // One by one, no request comes before the one ahead is counted.
      exchange.onEnd = count;
      return undefined;
    };
    return plugin;
  });

/**
 * Whose budget it is: the consumer's, or the address's where nobody was authenticated, in the plugin's scope. Kong's
 * counters are named by the route's and the service's id of the plugin, of which a consumer's own plugin has neither
 * (get_local_key in kong/plugins/rate-limiting/policies/init.lua).
 */
function identifier({ credential, route, service, remoteAddress }: Exchange, plugin: Plugin): string {
  const consumer = credential?.consumer;
  const scope = [route, service].find((entity) => entity?.plugins.get('rate-limiting') === plugin);
  return `${scope?.id}:${consumer?.id ?? remoteAddress}`;
}
