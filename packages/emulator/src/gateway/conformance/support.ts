import { METHODS } from 'node:http';
import { type Config, ConfigError, parseConfig } from '../config.js';
import type { Case } from './recording.js';

/** Settings of Kong that change no answer: its workers, and what it passes to them. */
const HARMLESS = /^(?!KONG_)|^KONG_NGINX_(WORKER_PROCESSES|MAIN_ENV)$/;

/** A config of the recordings as far as this gateway does it. */
export type Support = { readonly config: Config } | { readonly reason: string };

/** Whether this gateway does a config, and why not. */
export function supportsConfig(name: string, text: string): Support {
  try {
    const config = parseConfig(`configs/${name}.yaml`, text);
    const far = config.services.find(({ host }) => !/^(127\.0\.0\.1|localhost|.*\.invalid)$/.test(host));
    return far ? { reason: `configs/${name}.yaml: the upstream ${far.host} is not on loopback` } : { config };
  } catch (error) {
    if (error instanceof ConfigError) return { reason: error.message };
    throw error;
  }
}

/** Why a case is not supported, whatever its config; undefined when it is. */
export function unsupported({ request, kong_env, before }: Case): string | undefined {
  const setting = Object.keys(kong_env ?? {}).find((name) => !HARMLESS.test(name));
  if (setting) return `${setting} is a setting of Kong's that is outside its declarative config`;
  if (before && !/^(request \/|reload the same config$|reload with [\w-]+: )/.test(before)) {
    return `what was done before is not known: ${before}`;
  }
  const [method = '', target = '', version = ''] = request.line.split(' ');
  if (/^[A-Z][A-Z_-]*$/.test(method) && !METHODS.includes(method)) return `node:http has no method ${method}`;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII.
  if (/[^\x00-\x7f]/.test(target)) return 'node:http takes no target with bytes beyond ASCII';
  if (/^HTTP\/\d/.test(version) && !/^HTTP\/1\.[01]$/.test(version)) return `node:http has no server for ${version}`;
  return undefined;
}
