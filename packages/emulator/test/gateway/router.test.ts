import { expect, test } from 'vitest';
import type { Service } from '../../src/gateway/config.js';
import { normalizePath, Router } from '../../src/gateway/router.js';

/** A router of services that have no more than it needs. */
const routerOf = (...services: object[]) => new Router(services as Service[]);

test.each([
  ['/nlp/ner', '/nlp/ner'],
  ['/nlp//ner', '/nlp/ner'],
  ['//nlp/ner//', '/nlp/ner/'],
  ['/nlp/./ner', '/nlp/ner'],
  ['/nlp/x/../ner', '/nlp/ner'],
  ['/nlp/ner/..', '/nlp/'],
  ['/../../nlp', '/nlp'],
  ['/nlp/n%65r', '/nlp/ner'],
  ['/nlp%2fner', '/nlp%2Fner'],
  ['/nlp/%2e%2e/ner', '/ner'],
  ['/', '/'],
])('%s is %s', (raw, path) => {
  expect(normalizePath(raw)).toBe(path);
});

// [service path, strip_path, request, upstream]
test.each([
  ['/', true, '/a', '/'],
  ['/', true, '/a/', '/'],
  ['/', true, '/ab', '/b'],
  ['/', true, '/a/x y', '/x%20y'],
  ['/', false, '/a/x', '/a/x'],
  ['/base', true, '/a', '/base'],
  ['/base', true, '/a/', '/base/'],
  ['/base', true, '/ab', '/base/b'],
  ['/base/', true, '/a', '/base'],
  ['/base/', true, '/a/x', '/base/x'],
  ['/base/', false, '/a/x', '/base/a/x'],
  ['/base', false, '/a/x', '/base/a/x'],
])('service path %s, strip_path %s: %s goes up as %s', (basePath, strip_path, from, to) => {
  const router = routerOf({ basePath, routes: [{ paths: ['/a'], strip_path }] });
  expect(router.match('POST', from)?.path).toBe(to);
});

test('takes a path of a route as it stands after normalisation', () => {
  const router = routerOf({ basePath: '/', routes: [{ paths: ['/n%6cp%2fner'], strip_path: true }] });
  expect(router.match('POST', '/nlp%2fner/x')).toMatchObject({ prefix: '/nlp%2Fner', path: '/x' });
});

test('prefers a route with methods, then the longest path, and knows no other method', () => {
  const service = (name: string, paths: string[], methods?: string[]) => ({
    name,
    basePath: '/',
    routes: [{ paths, methods, strip_path: true }],
  });
  const router = routerOf(
    service('short', ['/nlp'], ['GET', 'POST']),
    service('long', ['/nlp/ner'], ['POST']),
    service('any', ['/nlp/ner/more']),
  );
  const named = (method: string, path: string) => router.match(method, path)?.service.name;
  expect(named('POST', '/nlp/ner/more')).toBe('long');
  expect(named('GET', '/nlp/ner')).toBe('short');
  expect(named('DELETE', '/nlp/ner/more/x')).toBe('any');
  expect(named('DELETE', '/nlp/ner')).toBeUndefined();
  expect(named('POST', '/NLP/ner')).toBeUndefined();
});
