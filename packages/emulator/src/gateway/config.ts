import { X509Certificate } from 'node:crypto';
import { type Document, isMap, isNode, isSeq, LineCounter, parseDocument, visit } from 'yaml';
import { z } from 'zod';
import { printable } from '../printable.js';
import { Credentials, entityId } from './consumers.js';
import type { Plugin } from './exchange.js';
import { NAMES, PLUGINS } from './plugins/index.js';

/** A declarative file that cannot be used. The message names the file, the line, the entity and what to do. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';

  constructor(
    readonly file: string,
    /** 1-based. */
    readonly line: number,
    what: string,
  ) {
    super(`${file}:${line}: ${printable(what)}`);
  }
}

const name = z.string().min(1);
const tags = z.array(z.string()).optional();
/** ms, in Kong's bounds. */
const timeout = z.int().min(1).max(2_147_483_646).default(60_000);
const method = z.string().regex(/^[A-Z]+$/);
const prefix = z.string().regex(/^\/[\w.~/%-]*$/, 'is not a plain prefix path; regex paths are not supported');

const plugin = z.discriminatedUnion('name', PLUGINS, `is not a supported plugin; supported are ${NAMES.join(', ')}`);
const byName = (plugins: readonly { name: string; config: Plugin }[]): ReadonlyMap<string, Plugin> =>
  new Map(plugins.map(({ name, config }) => [name, config]));
const plugins = z.array(plugin).default([]).transform(byName);

const route = z
  .strictObject({
    name,
    tags,
    protocols: z
      .array(z.enum(['http', 'https']))
      .default(['http', 'https'])
      .refine((protocols) => protocols.includes('http'), 'must include http: this gateway listens on http'),
    methods: z.array(method).min(1).optional(),
    paths: z.array(prefix).min(1),
    strip_path: z.boolean().default(true),
    preserve_host: z.literal(false).default(false),
    plugins,
  })
  .transform((fields) => ({ ...fields, id: entityId('routes', fields.name) }));

const service = z
  .strictObject({
    name,
    tags,
    url: z.url({ protocol: /^https?$/, error: 'is not an http or https URL' }).transform((url) => new URL(url)),
    tls_verify: z.boolean().default(false),
    tls_verify_depth: z.int().min(0).max(64).optional(),
    ca_certificates: z.array(z.uuid()).min(1).optional(),
    connect_timeout: timeout,
    write_timeout: timeout,
    read_timeout: timeout,
    retries: z.int().min(0).max(32_767).default(5),
    routes: z.array(route).default([]),
    plugins,
  })
  .refine(({ tls_verify, ca_certificates, url }) => url.protocol === 'https:' || !(tls_verify || ca_certificates), {
    path: ['url'],
    error: 'must be https where tls_verify or ca_certificates is set',
  })
  .refine(({ url }) => !url.search && !url.hash && !url.username && !url.password, {
    path: ['url'],
    error: 'must be host, port and path alone',
  })
  .transform(({ url, ...fields }) => ({
    ...fields,
    id: entityId('services', fields.name),
    secure: url.protocol === 'https:',
    host: url.hostname,
    port: Number(url.port || (url.protocol === 'https:' ? 443 : 80)),
    /** The path that goes before every request's; `/` when the URL has none. */
    basePath: url.pathname,
  }));

const consumer = z.strictObject({
  username: name,
  custom_id: name.optional(),
  tags,
  keyauth_credentials: z.array(z.strictObject({ key: name, tags })).default([]),
  acls: z.array(z.strictObject({ group: name, tags })).default([]),
  plugins: z
    .array(plugin.refine(({ name }) => name === 'rate-limiting', 'a consumer can have no plugin but rate-limiting'))
    .default([])
    .transform(byName),
});

const certificate = z.strictObject({
  id: z.uuid(),
  tags,
  cert: z.string().refine(isAuthority, 'is not one PEM certificate of a certificate authority'),
});

/** Kong takes no other. */
function isAuthority(pem: string): boolean {
  try {
    return pem.split('BEGIN CERTIFICATE').length === 2 && new X509Certificate(pem).ca;
  } catch {
    return false;
  }
}

/** A route of the config, its fields named as there. */
export type Route = z.output<typeof route>;

/** A service of the config, its fields named as there, with the PEM certificates that `ca_certificates` names. */
export type Service = z.output<typeof service> & { readonly ca: readonly string[] | undefined };

/** What a declarative Kong file says. */
export interface Config {
  readonly services: readonly Service[];
  readonly credentials: Credentials;
}

const file = z
  .strictObject({
    _format_version: z.enum(['2.1', '3.0']),
    services: z.array(service).default([]),
    consumers: z.array(consumer).default([]),
    ca_certificates: z.array(certificate).default([]),
  })
  .transform(({ services, consumers, ca_certificates }, context): Config => {
    const credentials = new Credentials();
    for (const { username, custom_id: customId, acls, plugins, keyauth_credentials } of consumers) {
      const groups = acls.map(({ group }) => group);
      const entity = { id: entityId('consumers', username), username, customId, groups, plugins };
      for (const { key } of keyauth_credentials) credentials.add(key, entity);
    }
    const authority = (named: string, path: PropertyKey[]) => {
      const pem = ca_certificates.find(({ id }) => id === named)?.cert;
      if (!pem) context.addIssue({ code: 'custom', path, message: 'is the id of none of the ca_certificates' });
      return pem ?? '';
    };
    return {
      credentials,
      services: services.map((each, i) => ({
        ...each,
        ca: each.ca_certificates?.map((id, at) => authority(id, ['services', i, 'ca_certificates', at])),
      })),
    };
  });

/** What stops a file: where, and what is wrong there. */
interface Problem {
  readonly path: readonly PropertyKey[];
  readonly what: string;
}

/**
 * Reads a declarative Kong file in which references are already filled in.
 *
 * @param path the file's name, for messages
 * @param text YAML
 * @throws {ConfigError} for what is not YAML, and for any plugin, field, type or format that this gateway does not
 *   know: nothing is ignored silently. No message shows a value.
 */
export function parseConfig(path: string, text: string): Config {
  try {
    return read(path, text);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new ConfigError(path, 1, 'is nested too deep to be read; correct it');
  }
}

function read(path: string, text: string): Config {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const [problem] = [...document.errors, ...document.warnings];
  if (problem) {
    throw new ConfigError(path, lines.linePos(problem.pos[0]).line, `is not valid YAML (${problem.code}); correct it`);
  }
  const content = contentOf(document, path, lines);
  const parsed = file.safeParse(content);
  const wrong = flaw(content, [], parsed.success ? new Set() : undefined) ?? problemOf(parsed.error?.issues[0]);
  if (wrong) {
    const { line } = lines.linePos(offset(document, wrong.path));
    throw new ConfigError(path, line, `${describe(document, wrong.path)}: ${wrong.what}`);
  }
  return parsed.data as Config;
}

/** @throws {ConfigError} for aliases that lead nowhere, or to far more than is written */
function contentOf(document: Document, path: string, lines: LineCounter): unknown {
  try {
    return document.toJS();
  } catch {
    let first = 0;
    visit(document, {
      Alias(_key, { range }) {
        first = range?.[0] ?? 0;
        return visit.BREAK;
      },
    });
    const { line } = lines.linePos(first);
    throw new ConfigError(path, line, 'aliases (*) from here on cannot be followed; write out what they stand for');
  }
}

/** What zod found, in words. Messages of this schema's own stay as they are. */
function problemOf(issue: z.core.$ZodIssue | undefined): Problem | undefined {
  if (!issue) return undefined;
  const { path, message } = issue;
  if (issue.code === 'unrecognized_keys') {
    return { path: [...path, issue.keys[0] ?? ''], what: 'is not a supported field; remove it or correct its name' };
  }
  // zod's own begin so.
  if (!message.startsWith('Invalid')) return { path, what: message };
  if (message.endsWith('received undefined')) return { path, what: 'is missing' };
  if (issue.code === 'invalid_type') return { path, what: `must be of type ${issue.expected}` };
  if (issue.code !== 'invalid_value') return { path, what: 'has a value that is not supported' };
  const known = issue.values.map((value) => JSON.stringify(value)).join(' or ');
  return { path, what: `must be ${known}; nothing else is supported` };
}

/** The fields that no two entries of a list may have alike, wherever such a list stands; but plugins in the same list. */
const UNIQUE: Readonly<Record<string, string>> = {
  services: 'name',
  routes: 'name',
  consumers: 'username',
  keyauth_credentials: 'key',
  ca_certificates: 'id',
  plugins: 'name',
};

/**
 * The first reference that nobody fills in, or second use of what must be unique.
 *
 * @param seen what was used; undefined where uses are not looked at
 */
function flaw(value: unknown, path: readonly PropertyKey[], seen: Set<string> | undefined): Problem | undefined {
  if (typeof value === 'string') {
    const [list = '', , field = ''] = path.slice(-3).map(String);
    if (value.includes('${{')) return { path, what: 'has a reference that was not filled in; render the file first' };
    // Kong takes a vault's as it stands where the field is a key.
    if (/\{vault:\/\//.test(value) && list !== 'keyauth_credentials') {
      return { path, what: 'is a vault reference, which is not supported' };
    }
    if (!seen || UNIQUE[list] !== field) return undefined;
    const use = `${list === 'plugins' ? path.slice(0, -2).join() : list} ${value}`;
    if (seen.has(use)) return { path, what: 'is used twice; each must be another' };
    seen.add(use);
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [name, child] of Object.entries(value)) {
    const found = flaw(child, [...path, Array.isArray(value) ? Number(name) : name], seen);
    if (found) return found;
  }
  return undefined;
}

/** Where in the text a path begins: at its key, or at the nearest thing around it that exists. */
function offset(document: Document, path: readonly PropertyKey[]): number {
  for (let depth = path.length; depth > 0; depth--) {
    const parent = document.getIn(path.slice(0, depth - 1), true);
    const last = path[depth - 1];
    const pair = isMap(parent) ? parent.items.find(({ key }) => String(key) === last) : undefined;
    const node = isSeq(parent) ? parent.get(last, true) : pair?.key;
    if (isNode(node)) return node.range?.[0] ?? 0;
  }
  return 0;
}

/** A path in words: entities by their names, the rest as it is written. */
function describe(document: Document, path: readonly PropertyKey[]): string {
  const words = path.map((part, i) => {
    if (typeof part !== 'number') return String(part);
    const entity = path.slice(0, i + 1);
    return String(document.getIn([...entity, 'name']) ?? document.getIn([...entity, 'username']) ?? part);
  });
  return words.join('.') || 'the file';
}
