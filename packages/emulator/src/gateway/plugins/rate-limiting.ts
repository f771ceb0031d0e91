import { z } from 'zod';
import type { Exchange, Plugin } from '../exchange.js';
import { type Headers, set } from '../headers.js';

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
    const plugin: Plugin = {
      access(exchange) {
        const now = Math.floor(exchange.arrivedAt / 1000);
        const { counters } = exchange.shared;
        const owner = identifier(exchange, plugin);
        const usage = limits.map((each) => ({
          ...each,
          left: each.limit - counters.count(`${owner}:${each.period}`, now - (now % each.window)),
        }));
        const stop = usage.findLast(({ left }) => left <= 0)?.period;
        const shown = usage.map((each) => ({
          ...each,
          left: Math.max(0, stop === undefined || stop === each.period ? each.left - 1 : each.left),
        }));
        // The window that is nearest to its end of budget speaks for all; of two, the longer.
        const tightest = shown.reduce((a, b) => (b.left <= a.left ? b : a));
        const reset = tightest.window - (now % tightest.window);
        exchange.budget = { limit: tightest.limit, remaining: tightest.left, resetS: reset };
        if (!config.hide_client_headers) {
          for (const each of shown) {
            const period = each.period.replace(/^./, (first) => first.toUpperCase());
            put(exchange.added, `X-RateLimit-Limit-${period}`, each.limit);
            put(exchange.added, `X-RateLimit-Remaining-${period}`, each.left);
          }
          put(exchange.added, 'RateLimit-Limit', tightest.limit);
          put(exchange.added, 'RateLimit-Remaining', tightest.left);
          put(exchange.added, 'RateLimit-Reset', reset);
          if (stop) put(exchange.added, 'Retry-After', reset);
        }
        if (stop) return { status: 429, message: 'API rate limit exceeded' };
        const count = () => {
          clearTimeout(timer);
          exchange.onEnd = () => {};
          for (const { period, window } of limits) counters.increment(`${owner}:${period}`, now - (now % window));
        };
        const timer = setTimeout(count, COUNT_DELAY);
        // One by one, no request comes before the one ahead is counted.
        exchange.onEnd = count;
        return undefined;
      },
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

function put(headers: Headers, name: string, value: number): void {
  set(headers, name, String(value));
}
