import { isUtf8 } from 'node:buffer';
import type { Route, Service } from './config.js';

/** A route that takes a request. */
export interface Match {
  readonly service: Service;
  readonly route: Route;
  /** The part of the path that is stripped; undefined when the route keeps its path. */
  readonly prefix: string | undefined;
  /** The path for the upstream, without a query. */
  readonly path: string;
}

/** Finds the route of a request, as Kong's `traditional_compatible` router does for methods and prefix paths. */
export class Router {
  readonly #entries: { service: Service; route: Route; prefix: string }[];

  constructor(services: readonly Service[]) {
    this.#entries = services.flatMap((service) =>
      service.routes.flatMap((route) => route.paths.map((path) => ({ service, route, prefix: normalizePath(path) }))),
    );
    // A route that asks for a method goes before one that does not; then the longest path wins.
    this.#entries.sort(
      (a, b) => Number(!!b.route.methods) - Number(!!a.route.methods) || b.prefix.length - a.prefix.length,
    );
  }

  /**
   * @param method the request's method
   * @param rawPath the path as it came, without the query
   * @returns undefined when no route takes it, be it for the path or for the method: Kong knows no 405
   */
  match(method: string, rawPath: string): Match | undefined {
    const path = normalizePath(rawPath);
    // The router takes no text that is not UTF-8.
    if (!isUtf8(Buffer.from(path, 'latin1'))) return undefined;
    for (const { service, route, prefix } of this.#entries) {
      if (!path.startsWith(prefix) || (route.methods && !route.methods.includes(method))) continue;
      const rest = route.strip_path ? path.slice(prefix.length) : path;
      return {
        service,
        route,
        prefix: route.strip_path ? prefix : undefined,
        path: escapePath(upstreamPath(service.basePath, rest, path, route.strip_path)),
      };
    }
    return undefined;
  }
}

const RESERVED = new Set("!*'();:@&=+$,/?%#[]");

/**
 * Kong's path normalisation: percent-encoded characters that are not reserved are decoded, `.` and `..` resolved,
 * slashes merged.
 */
export function normalizePath(raw: string): string {
  const decoded = raw.replace(/%([0-9a-f]{2})/gi, (triplet, hex: string) => {
    const char = String.fromCharCode(Number.parseInt(hex, 16));
    return RESERVED.has(char) ? triplet.toUpperCase() : char;
  });
  const segments: string[] = [];
  const parts = decoded.split('/').slice(1);
  parts.forEach((part, i) => {
    const last = i === parts.length - 1;
    if (part === '..') segments.pop();
    if (part === '..' || part === '.' || part === '') {
      if (last) segments.push('');
    } else segments.push(part);
  });
  return `/${segments.join('/')}`;
}

/** Kong's `path_handling: v0` (get_upstream_uri_v0 in kong/router/utils.lua). */
function upstreamPath(base: string, rest: string, path: string, strip: boolean): string {
  const closed = base.endsWith('/');
  const open = closed ? base.slice(0, -1) : base;
  if (!strip) return closed || path !== '/' ? open + path : base;
  const tail = rest.replace(/^\.\.?(\/|$)/, '');
  if (tail !== '') return `${open}${tail.startsWith('/') ? '' : '/'}${tail}`;
  const slash = open === '' || (path.endsWith('/') && (closed || path !== '/'));
  return slash ? `${open}/` : open;
}

function escapePath(path: string): string {
  return path.replace(
    /[^!#$&'()*+,/:;=?@[\]A-Z\d\-_.~%]/gi,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  );
}
