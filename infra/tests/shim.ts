// Stands between the AWS provider and a moto server, and answers what moto lacks or answers otherwise than AWS.
// Everything else is moto's. Each layer below says what it makes up, and is here only while a test needs it.
import { createServer, type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A synchronous Invoke. */
export interface Invocation {
  function: string;
  qualifier: string;
  payload: string;
}

/** What the function returned, or what it raised in Lambda's form. */
export type InvocationResult = { payload: unknown } | { error: unknown };

export interface Shim {
  /** For AWS_ENDPOINT_URL. */
  url: string;
  /** What was called, each once: `SERVICE METHOD URL ACTION`, the last for protocols that name it. */
  calls: Set<string>;
  close(): Promise<void>;
}

interface Call {
  method: string;
  /** Without the query. */
  path: string;
  query: URLSearchParams;
  /** Of the protocols that name the operation in a header. */
  target: string;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer | string;
}

/** Answers a call itself, or passes it on and may change the answer. */
type Layer = (call: Call, next: () => Promise<Answer>) => Promise<Answer>;

/**
 * @param moto URL of the moto server
 * @param invoke runs a function
 */
export async function startShim(moto: string, invoke: (call: Invocation) => Promise<InvocationResult>): Promise<Shim> {
  const layers = [
    lambdaInvoke(invoke),
    bucketPolicy(),
    provisionedConcurrency(),
    functionSettings(),
    ruleDescriptions(),
    scalingTags(),
    statements(),
    fileSystemPolicies(),
    quotas(),
    stateMachines(),
  ];
  const calls = new Set<string>();
  const server = createServer(async (incoming, outgoing) => {
    const url = new URL(incoming.url ?? '/', moto);
    const call: Call = {
      method: incoming.method ?? 'GET',
      path: decodeURIComponent(url.pathname),
      query: url.searchParams,
      target: String(incoming.headers['x-amz-target'] ?? ''),
      headers: incoming.headers,
      body: await read(incoming),
    };
    const service = /Credential=[^/]+\/\d+\/[^/]+\/([^/]+)\//.exec(incoming.headers.authorization ?? '')?.[1];
    const action = new URLSearchParams(String(call.body)).get('Action') ?? call.target.split('.').at(-1) ?? '';
    calls.add(`${service} ${call.method} ${incoming.url} ${action}`);
    const chain = layers.reduceRight<() => Promise<Answer>>(
      (next, layer) => () => layer(call, next),
      () => forward(url, call),
    );
    try {
      const { status, headers, body } = await chain();
      outgoing.writeHead(status, {
        ...headers,
        ...(call.method !== 'HEAD' && { 'content-length': Buffer.byteLength(body) }),
      });
      outgoing.end(body);
    } catch (error) {
      outgoing.writeHead(502).end(String(error));
    }
  });
  // On a busy machine a connection would be closed just when the provider uses it again, which may not try twice.
  Object.assign(server, { keepAliveTimeout: 0, headersTimeout: 0, requestTimeout: 0 });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function forward(url: URL, { method, headers, body }: Call): Promise<Answer> {
  return new Promise((resolve, reject) => {
    // Layers read plain text.
    const { 'accept-encoding': _, 'transfer-encoding': __, ...rest } = headers;
    const onward = request(url, { method, headers: { ...rest, 'content-length': body.length } }, async (response) => {
      const { 'transfer-encoding': ___, connection: ____, ...kept } = response.headers;
      resolve({ status: response.statusCode ?? 502, headers: kept, body: await read(response) });
    });
    onward.on('error', reject).end(body);
  });
}

async function read(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const json = (status: number, body: unknown, headers: Record<string, string> = {}): Answer => ({
  status,
  headers: { 'content-type': 'application/json', ...headers },
  body: JSON.stringify(body),
});

/** moto would run functions in Docker. */
function lambdaInvoke(invoke: (call: Invocation) => Promise<InvocationResult>): Layer {
  return async ({ method, path, query, body }, next) => {
    const name = /^\/2015-03-31\/functions\/([^/]+)\/invocations$/.exec(path)?.[1];
    if (method !== 'POST' || !name) return next();
    const [, , , , , , inArn, version] = name.split(':');
    const result = await invoke({
      function: inArn ?? name,
      qualifier: version ?? query.get('Qualifier') ?? '$LATEST',
      payload: String(body),
    });
    return 'error' in result
      ? json(200, result.error, { 'x-amz-function-error': 'Unhandled' })
      : json(200, result.payload);
  };
}

/** moto heeds a bucket's policy but not its conditions: "deny what is not TLS" would deny everything. */
function bucketPolicy(): Layer {
  const policies = new Map<string, Buffer>();
  return async ({ method, path, query, body }, next) => {
    if (!query.has('policy') || path.lastIndexOf('/') > 0) return next();
    if (method === 'PUT') policies.set(path, body);
    if (method === 'DELETE') policies.delete(path);
    if (method !== 'GET') return json(204, '');
    const policy = policies.get(path);
    if (policy) return { status: 200, headers: {}, body: policy };
    return { status: 404, headers: {}, body: '<Error><Code>NoSuchBucketPolicy</Code></Error>' };
  };
}

/** moto has no provisioned concurrency. Here it is ready at once. */
function provisionedConcurrency(): Layer {
  const configured = new Map<string, number>();
  return async ({ method, path, query, body }, next) => {
    const name = /^\/2019-09-30\/functions\/([^/]+)\/provisioned-concurrency$/.exec(path)?.[1];
    if (!name) return next();
    const key = `${name}:${query.get('Qualifier')}`;
    if (method === 'PUT') configured.set(key, JSON.parse(String(body)).ProvisionedConcurrentExecutions);
    const count = configured.get(key);
    if (method === 'DELETE') {
      configured.delete(key);
      return { status: 204, headers: {}, body: '' };
    }
    if (count === undefined) {
      const error = { 'x-amzn-errortype': 'ProvisionedConcurrencyConfigNotFoundException' };
      return json(404, { Type: 'User', Message: 'No Provisioned Concurrency Config found' }, error);
    }
    return json(method === 'PUT' ? 202 : 200, {
      RequestedProvisionedConcurrentExecutions: count,
      AllocatedProvisionedConcurrentExecutions: count,
      AvailableProvisionedConcurrentExecutions: count,
      Status: 'READY',
      LastModified: '2026-01-01T00:00:00+0000',
    });
  };
}

/** moto forgets a function's file system and log settings. */
function functionSettings(): Layer {
  const settings = new Map<string, Record<string, unknown>>();
  return async ({ method, path, body }, next) => {
    const name = /^\/\d{4}-\d\d-\d\d\/functions(?:\/([^/]+)(?:\/(?:configuration|code|versions))?)?\/?$/.exec(path);
    if (!name) return next();
    if (method === 'POST' || method === 'PUT') {
      const { FunctionName = name[1], FileSystemConfigs, LoggingConfig } = JSON.parse(String(body) || '{}');
      settings.set(FunctionName, {
        ...settings.get(FunctionName),
        ...(FileSystemConfigs && { FileSystemConfigs }),
        ...(LoggingConfig && { LoggingConfig }),
      });
    }
    const answer = await next();
    if (answer.status >= 300 || answer.body.length === 0) return answer;
    const described = JSON.parse(String(answer.body));
    for (const one of [described, described.Configuration, ...(described.Versions ?? [])]) {
      if (one?.FunctionName) Object.assign(one, settings.get(one.FunctionName));
    }
    return { ...answer, body: JSON.stringify(described) };
  };
}

/** moto forgets the description of a security group rule that names another group or a prefix list. */
function ruleDescriptions(): Layer {
  const descriptions = new Map<string, string>();
  return async ({ body }, next) => {
    const form = new URLSearchParams(String(body));
    const action = form.get('Action') ?? '';
    if (!action.includes('SecurityGroup')) return next();
    const answer = await next();
    const text = String(answer.body);
    const description = [...form].find(([key]) => key.endsWith('.Description'))?.[1];
    const id = /<securityGroupRuleId>(.*?)</.exec(text)?.[1];
    if (action.startsWith('Authorize') && id && description) descriptions.set(id, description);
    if (action !== 'DescribeSecurityGroupRules') return answer;
    const told = text.replace(/<securityGroupRuleId>(.*?)<\/securityGroupRuleId>/g, (tag, rule) => {
      const known = descriptions.get(rule);
      return known ? `${tag}<description>${known}</description>` : tag;
    });
    return { ...answer, body: told };
  };
}

/** moto has no tags of scalable targets. All targets here have the same, those of the provider's default_tags. */
function scalingTags(): Layer {
  let tags = {};
  return async ({ target, body }, next) => {
    const operation = /^AnyScaleFrontendService\.(.*)/.exec(target)?.[1];
    if (operation === 'RegisterScalableTarget') tags = JSON.parse(String(body)).Tags ?? tags;
    return operation === 'ListTagsForResource' ? json(200, { Tags: tags }) : next();
  };
}

/**
 * moto keeps a statement that was removed from the policy of an alias, and the provider waits for it to go. It takes one
 * of the same name twice, which AWS does not.
 */
function statements(): Layer {
  const there = new Map<string, Set<string>>();
  return async ({ method, path, query, body }, next) => {
    const name = /^\/2015-03-31\/functions\/([^/]+)\/policy(?:\/([^/]+))?/.exec(path);
    const qualifier = query.get('Qualifier');
    if (!name || !qualifier) return next();
    const key = `${name[1]}:${qualifier}`;
    const ids = there.get(key) ?? new Set();
    there.set(key, ids);
    if (method === 'POST') {
      const { StatementId: id } = JSON.parse(String(body));
      const Message = `The statement id (${id}) provided already exists. Please provide a new statement id, or remove the existing statement.`;
      if (ids.has(id)) return json(409, { Type: 'User', Message }, { 'x-amzn-errortype': 'ResourceConflictException' });
      ids.add(id);
    }
    if (method === 'DELETE') {
      ids.delete(String(name[2]));
      return { status: 204, headers: {}, body: '' };
    }
    if (ids.size > 0) return next();
    return json(404, { Type: 'User', Message: 'No policy' }, { 'x-amzn-errortype': 'ResourceNotFoundException' });
  };
}

/** moto cannot remove the policy of a file system. It removes the file system, which follows, with its policy. */
function fileSystemPolicies(): Layer {
  return async ({ method, path }, next) =>
    method === 'DELETE' && /^\/2015-02-01\/file-systems\/[^/]+\/policy$/.test(path) ? json(200, {}) : next();
}

/** moto has no quotas of Lambda. */
function quotas(): Layer {
  const Quota = { QuotaArn: 'arn:aws:servicequotas:us-east-1:123456789012:lambda/L-B99A9384', Value: 1000 };
  return async ({ target }, next) => (target.startsWith('ServiceQuotas') ? json(200, { Quota }) : next());
}

/** moto checks a definition only when a state machine is made of it, and keeps no versions. */
function stateMachines(): Layer {
  return async ({ target }, next) => {
    if (target === 'AWSStepFunctions.ValidateStateMachineDefinition')
      return json(200, { result: 'OK', diagnostics: [] });
    if (target === 'AWSStepFunctions.ListStateMachineVersions') return json(200, { stateMachineVersions: [] });
    return next();
  };
}
