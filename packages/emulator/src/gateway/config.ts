import { X509Certificate } from 'node:crypto';
import { type Document, isCollection, isMap, isNode, isPair, LineCounter, parseDocument, visit } from 'yaml';
import { z } from 'zod';
import { printable } from '../printable.js';
import { Credentials, entityId } from './consumers.js';
import type { Consumer, Plugin, Scope } from './exchange.js';
import { PLUGINS } from './plugins/index.js';
import type { Route as Rule } from './router.js';

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

/** A route of the config. */
export interface Route extends Rule, Scope {}

/** A service of the config with its routes. Times are in ms. */
export interface Service extends Scope {
  readonly secure: boolean;
  readonly host: string;
  readonly port: number;
  /** The path that goes before every request's; `/` when the URL has none. */
  readonly basePath: string;
  readonly tlsVerify: boolean;
  /** PEM certificates that verify the upstream; undefined where the service names none. */
  readonly ca: readonly string[] | undefined;
  readonly connectTimeout: number;
  readonly writeTimeout: number;
  readonly readTimeout: number;
  readonly retries: number;
  readonly routes: readonly Route[];
}

/** What a declarative Kong file says. */
export interface Config {
  readonly services: readonly Service[];
  readonly credentials: Credentials;
}

const name = z.string().min(1);
const tags = z.array(z.string()).optional();
// Kong's bounds of a time-out, ms.
const timeout = z
  .int()
  .min(1)
  .max(2 ** 31 - 2)
  .default(60_000);

const plugin = z
  .discriminatedUnion(
    'name',
    [
      entry('correlation-id', PLUGINS['correlation-id']),
      entry('key-auth', PLUGINS['key-auth']),
      entry('request-size-limiting', PLUGINS['request-size-limiting']),
      entry('acl', PLUGINS.acl),
      entry('rate-limiting', PLUGINS['rate-limiting']),
      entry('request-transformer', PLUGINS['request-transformer']),
    ],
    `is not a supported plugin; supported are ${Object.keys(PLUGINS).join(', ')}`,
  )
  .transform(({ name, config }): [string, Plugin] => [name, config]);

const route = z.strictObject({
  name,
  tags,
  protocols: z
    .array(z.enum(['http', 'https']))
    .default(['http', 'https'])
    .refine((protocols) => protocols.includes('http'), 'must include http: this gateway listens on http'),
  methods: z
    .array(z.string().regex(/^[A-Z]+$/))
    .min(1)
    .optional(),
  paths: z
    .array(z.string().regex(/^\/[\w.~/%-]*$/, 'is not a plain prefix path; regex paths are not supported'))
    .min(1),
  strip_path: z.boolean().default(true),
  preserve_host: z.literal(false).default(false),
  plugins: z.array(plugin).default([]),
});

const service = z
  .strictObject({
    name,
    tags,
    url: z.url({ protocol: /^https?$/, error: 'is not an http or https URL' }).transform((url) => new URL(url)),
    tls_verify: z.boolean().optional(),
    tls_verify_depth: z.int().min(0).max(64).optional(),
    ca_certificates: z.array(z.uuid()).min(1).optional(),
    connect_timeout: timeout,
    write_timeout: timeout,
    read_timeout: timeout,
    retries: z.int().min(0).max(32_767).default(5),
    routes: z.array(route).default([]),
    plugins: z.array(plugin).default([]),
  })
  .refine(({ tls_verify, ca_certificates, url }) => url.protocol === 'https:' || !(tls_verify ?? ca_certificates), {
    path: ['url'],
    error: 'must be https where tls_verify or ca_certificates is set',
  })
  .refine(({ url }) => !url.search && !url.hash && !url.username && !url.password, {
    path: ['url'],
    error: 'must be host, port and path alone',
  });

const consumer = z.strictObject({
  username: name,
  custom_id: name.optional(),
  tags,
  keyauth_credentials: z.array(z.strictObject({ key: name, tags })).default([]),
  acls: z.array(z.strictObject({ group: name, tags })).default([]),
  plugins: z
    .array(plugin.refine(([kind]) => kind === 'rate-limiting', 'a consumer can have no plugin but rate-limiting'))
    .default([]),
});

const certificate = z.strictObject({
  id: z.uuid(),
  tags,
  cert: z.string().refine(isAuthority, 'is not one PEM certificate of a certificate authority'),
});

const file = z.strictObject({
  _format_version: z.enum(['2.1', '3.0']),
  services: z.array(service).default([]),
  consumers: z.array(consumer).default([]),
  ca_certificates: z.array(certificate).default([]),
});

/** Kong takes no other. */
function isAuthority(pem: string): boolean {
  try {
    return pem.split('BEGIN CERTIFICATE').length === 2 && new X509Certificate(pem).ca;
  } catch {
    return false;
  }
}

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
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const [problem] = [...document.errors, ...document.warnings];
  if (problem) {
    throw new ConfigError(path, lines.linePos(problem.pos[0]).line, `is not valid YAML (${problem.code}); correct it`);
  }
  const content = contentOf(document, path, lines);
  const parsed = file.safeParse(content);
  const wrong = reference(content) ?? (parsed.success ? duplicate(parsed.data) : problemOf(parsed.error));
  if (wrong) {
    const { line } = lines.linePos(offset(document, wrong.path));
    throw new ConfigError(path, line, `${describe(document, wrong.path)}: ${wrong.what}`);
  }
  return build(parsed.data as z.output<typeof file>);
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

function problemOf({ issues: [issue] }: z.ZodError): Problem {
  if (issue?.code === 'unrecognized_keys') {
    const path = [...issue.path, issue.keys[0] ?? ''];
    return { path, what: 'is not a supported field; remove it or correct its name' };
  }
  return { path: issue?.path ?? [], what: sentence(issue) };
}

/** What zod found, in words. Messages of this schema's own stay as they are. */
function sentence(issue: z.core.$ZodIssue | undefined): string {
  // zod's own begin so.
  if (!issue?.message.startsWith('Invalid')) return issue?.message ?? 'is not valid';
  if (issue.message.endsWith('received undefined')) return 'is missing';
  if (issue.code === 'invalid_type') return `must be of type ${issue.expected}`;
  if (issue.code === 'invalid_value') {
    return `must be ${issue.values.map((value) => JSON.stringify(value)).join(' or ')}; nothing else is supported`;
  }
  return 'has a value that is not supported';
}

/** The first reference that nobody fills in. Kong takes a vault's as it stands where the field is a key. */
function reference(value: unknown, path: readonly PropertyKey[] = []): Problem | undefined {
  if (typeof value === 'string') {
    const key = path.at(-1) === 'key' && path.at(-3) === 'keyauth_credentials';
    if (value.includes('${{')) return { path, what: 'has a reference that was not filled in; render the file first' };
    if (/\{vault:\/\//.test(value) && !key) return { path, what: 'is a vault reference, which is not supported' };
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [name, child] of Object.entries(value)) {
    const problem = reference(child, [...path, Array.isArray(value) ? Number(name) : name]);
    if (problem) return problem;
  }
  return undefined;
}

/** The first thing that must be unique and is not, or is named and not there. */
function duplicate({ services, consumers, ca_certificates }: z.output<typeof file>): Problem | undefined {
  const unique = (kind: string, base: readonly PropertyKey[], field: string, values: readonly string[]) =>
    values.map((value, i) => ({ kind, value, path: [...base, i, field] }));
  const plugins = (of: { name: string; plugins: readonly [string, Plugin][] }, base: readonly PropertyKey[]) =>
    unique(
      `plugin of ${of.name}`,
      [...base, 'plugins'],
      'name',
      of.plugins.map(([kind]) => kind),
    );
  const names = (entities: readonly { name: string }[]) => entities.map(({ name }) => name);
  const fingerprints = ca_certificates.map(({ cert }) => new X509Certificate(cert).fingerprint256);
  const ids = ca_certificates.map(({ id }) => id);
  const all = [
    ...unique('name of a service', ['services'], 'name', names(services)),
    ...services.flatMap((each, i) => [
      ...unique('name of a route', ['services', i, 'routes'], 'name', names(each.routes)),
      ...plugins(each, ['services', i]),
      ...each.routes.flatMap((route, j) => plugins(route, ['services', i, 'routes', j])),
    ]),
    ...consumers.flatMap(({ keyauth_credentials: keys }, i) => {
      const values = keys.map(({ key }) => key);
      return unique('key', ['consumers', i, 'keyauth_credentials'], 'key', values);
    }),
    ...unique(
      'username',
      ['consumers'],
      'username',
      consumers.map(({ username }) => username),
    ),
    ...unique('id of a certificate', ['ca_certificates'], 'id', ids),
    ...unique('certificate', ['ca_certificates'], 'cert', fingerprints),
  ];
  const seen = new Set<string>();
  for (const { kind, value, path } of all) {
    if (seen.has(`${kind}:${value}`)) return { path, what: `is used twice as ${kind}; each needs its own` };
    seen.add(`${kind}:${value}`);
  }
  for (const [i, { ca_certificates: named = [] }] of services.entries()) {
    const missing = named.find((id) => !ids.includes(id));
    if (missing === undefined) continue;
    const path = ['services', i, 'ca_certificates', named.indexOf(missing)];
    return { path, what: 'is the id of none of the ca_certificates' };
  }
  return undefined;
}

function build({ services, consumers, ca_certificates }: z.output<typeof file>): Config {
  const credentials = new Credentials();
  for (const entity of consumers) {
    const consumer: Consumer = {
      id: entityId('consumers', entity.username),
      username: entity.username,
      customId: entity.custom_id,
      groups: entity.acls.map(({ group }) => group),
      plugins: new Map(entity.plugins),
    };
    for (const { key } of entity.keyauth_credentials) credentials.add(key, consumer);
  }
  return {
    credentials,
    services: services.map((entity) => {
      const secure = entity.url.protocol === 'https:';
      return {
        id: entityId('services', entity.name),
        name: entity.name,
        secure,
        host: entity.url.hostname,
        port: Number(entity.url.port || (secure ? 443 : 80)),
        basePath: entity.url.pathname,
        tlsVerify: entity.tls_verify ?? false,
        ca: entity.ca_certificates?.map((id) => ca_certificates.find((each) => each.id === id)?.cert ?? ''),
        connectTimeout: entity.connect_timeout,
        writeTimeout: entity.write_timeout,
        readTimeout: entity.read_timeout,
        retries: entity.retries,
        routes: entity.routes.map((each) => ({
          ...each,
          id: entityId('routes', each.name),
          plugins: new Map(each.plugins),
        })),
        plugins: new Map(entity.plugins),
      };
    }),
  };
}

function entry<N extends string, C extends z.ZodType<Plugin>>(kind: N, config: C) {
  return z.strictObject({ name: z.literal(kind), tags, config: z.preprocess((given) => given ?? {}, config) });
}

/** Where in the text a path begins: at its key, or at the nearest thing around it that exists. */
function offset(document: Document, path: readonly PropertyKey[]): number {
  for (let depth = path.length; depth > 0; depth--) {
    const parent = document.getIn(path.slice(0, depth - 1), true);
    const last = path[depth - 1];
    if (isMap(parent)) {
      const pair = parent.items.find(({ key }) => isNode(key) && String(key) === last);
      if (isNode(pair?.key)) return pair.key.range?.[0] ?? 0;
    }
    if (!isCollection(parent)) continue;
    const node = parent.get(last, true);
    if (isNode(node) && !isPair(node)) return node.range?.[0] ?? 0;
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
