import type { EmulatorEvent } from './index.js';

/** What happened, for a person to read; nothing for an answer as it should be. */
export function sentence(event: EmulatorEvent): string | undefined {
  const where = 'environment' in event ? ` ${event.environment.slice(0, 8)}` : '';
  switch (event.event) {
    case 'answer':
      return event.status === 429 && event.by === 'gateway'
        ? 'rate limited: the requests of this window are used up (429)'
        : undefined;
    case 'cold start':
      return `cold start${where}: init took ${Math.round(event.initMs)} ms`;
    case 'initialised ahead': {
      const why = event.initType === 'on-demand' ? 'proactive' : 'provisioned';
      return `initialised ahead${where} (${why}): init took ${Math.round(event.initMs)} ms`;
    }
    case 'init failed':
      return `init failed${where}: ${event.error.errorMessage}`;
    case 'function error':
      return `function error${where}: ${event.errorType} (502)`;
    case 'throttled':
      return 'throttled: reserved concurrency is used up (429)';
    case 'environment expired':
      return `expired${where}: idle`;
    case 'environment lost':
      return `lost${where}: its process ended while idle`;
    case 'reload':
      return event.error ? `not reloaded, the old config stays: ${event.error}` : `reloaded ${event.file}`;
  }
}
