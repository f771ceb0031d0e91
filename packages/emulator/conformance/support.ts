import { type Config, ConfigError, parseConfig } from '../src/gateway/config.js';
import type { Case } from './recording.js';
import { RECORDED_PORTS } from './stand-ins.js';

/** Settings of Kong that change no answer: its workers, and what it passes to them. */
const HARMLESS = /^(?!KONG_)|^KONG_NGINX_(WORKER_PROCESSES|MAIN_ENV)$/;

/** A config of the recordings as far as this gateway does it. */
export type Support = { readonly config: Config } | { readonly reason: string };

/** Whether this gateway does a config, and why not. */
export function supportsConfig(name: string, text: string): Support {
  try {
    const config = parseConfig(`configs/${name}.yaml`, text);
    const unknown = config.services.find(({ host, port }) =>
      /^(127\.0\.0\.1|localhost)$/.test(host) ? !RECORDED_PORTS.includes(port) : !host.endsWith('.invalid'),
    );
    if (!unknown) return { config };
    const { host, port } = unknown;
    return { reason: `configs/${name}.yaml: nothing here stands for the upstream ${host}:${port}` };
  } catch (error) {
    if (error instanceof ConfigError) return { reason: error.message };
    throw error;
  }
}

/** Why a case is not supported, whatever its config; undefined when it is. */
export function unsupported({ kong_env }: Case): string | undefined {
  const setting = Object.keys(kong_env ?? {}).find((name) => !HARMLESS.test(name));
  if (setting) return `${setting} is a setting of Kong's that is outside its declarative config`;
  return undefined;
}

/** What was done before a case. */
export type Before =
  | { readonly do: 'request'; readonly method: string; readonly path: string }
  /** `edit` makes the text that was loaded of the config's. */
  | { readonly do: 'reload'; readonly edit: (text: string) => string };

/** Reads a recording's words for what was done before a case; undefined for those that are not known. */
export function readBefore(words: string): Before | undefined {
  const [, method = 'POST', path] = /^request (?:([A-Z]+) )?(\/\S*)$/.exec(words) ?? [];
  if (path) return { do: 'request', method, path };
  if (/^reload (the|an?) (same|unchanged) (config|file)$/.test(words)) return { do: 'reload', edit: (text) => text };
  if (/^reload (with |of )?(an?|the) (bad|broken|invalid|malformed|unparsable) \S/.test(words)) {
    return { do: 'reload', edit: (text) => `${text}\n[` };
  }
  const [, field, value] = /^reload with ([\w-]+): (\S.*)$/.exec(words) ?? [];
  if (!field) return undefined;
  return { do: 'reload', edit: (text) => text.replace(new RegExp(`^(\\s*(?:- )?${field}:).*$`, 'm'), `$1 ${value}`) };
}
