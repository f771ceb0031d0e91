// infra/ applied to an AWS account on loopback, by the real provider.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect } from 'vitest';
import { python as servicePython } from '../../scripts/python.mjs';
import { root } from '../../scripts/step.mjs';
import { type Invocation, type InvocationResult, type Shim, startShim } from './shim.js';
import { Workspace } from './terraform.js';

const OVERRIDE = `provider "aws" {
  max_retries       = 1    # what moto refuses once it refuses always
  s3_use_path_style = true # there is no host of the bucket's name
}
`;

const CREDENTIALS = {
  AWS_ACCESS_KEY_ID: 'test',
  AWS_SECRET_ACCESS_KEY: 'test',
  AWS_DEFAULT_REGION: 'us-east-1',
  AWS_CONFIG_FILE: '/dev/null',
  AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
  AWS_EC2_METADATA_DISABLED: 'true',
};

export type Variables = Record<string, unknown>;

interface StoredResource {
  type: string;
  name: string;
  instances: { attributes: Attributes }[];
}

/** The attributes of a resource in the state. */
export type Attributes = Record<string, unknown>;

export class Deployment {
  readonly #python: string;
  readonly #trouble: Record<string, number>;
  readonly #account: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #home = mkdtempSync(join(tmpdir(), 'burst-ner-aws-'));
  #moto = '';
  #worker: { process: ChildProcess; url: string } | undefined;
  #shim: Shim | undefined;
  #workspace: Workspace | undefined;

  /**
   * @param python an interpreter with moto
   * @param trouble what befalls the batch worker (worker.py)
   */
  constructor(python: string, trouble: Record<string, number> = {}) {
    this.#trouble = trouble;
    this.#python = python;
    this.#account = spawn(python, [join(import.meta.dirname, 'account.py')], { stdio: ['pipe', 'pipe', 'ignore'] });
    this.#lines = createInterface({ input: this.#account.stdout ?? process.stdin })[Symbol.asyncIterator]();
    for (const folder of [this.efs, this.task]) mkdirSync(folder);
  }

  /** Starts the account, and Terraform's init. */
  async start(): Promise<void> {
    this.#moto = await this.#line();
    this.#shim = await startShim(this.#moto, (call) => this.#invoke(call));
    this.#account.stdin?.write(`${new URL(this.#shim.url).port}\n`);
    this.#workspace = new Workspace({ ...CREDENTIALS, AWS_ENDPOINT_URL: this.#shim.url });
    writeFileSync(join(this.#workspace.folder, 'moto.tf'), OVERRIDE);
    await this.#workspace.init();
  }

  /** What the functions see as /mnt/models. */
  get efs(): string {
    return join(this.#home, 'models');
  }

  /** What they see as /var/task, beside the code, which is that of packages/service. */
  get task(): string {
    return join(this.#home, 'task');
  }

  /** A file for a variable. */
  file(name: string): string {
    return join(this.#home, name);
  }

  /** @throws Error with what Terraform printed */
  apply(variables: Variables): Promise<string> {
    writeFileSync(join(this.#terraform.folder, 'terraform.tfvars.json'), JSON.stringify(variables));
    return this.#terraform.terraform('apply', '-auto-approve', '-input=false', '-no-color');
  }

  /**
   * Plans with the variables of the last apply.
   * @throws Error with the plan when there is something to change
   */
  plan(...args: string[]): Promise<string> {
    return this.#terraform.terraform('plan', '-detailed-exitcode', '-input=false', '-no-color', ...args);
  }

  /** Runs lines of a page, with the AWS command, in a checkout where these variables were applied. */
  shell(lines: string, variables: Variables): Promise<string> {
    const build = join(this.#terraform.folder, 'build');
    mkdirSync(build, { recursive: true });
    writeFileSync(join(build, 'applied.tfvars'), '');
    writeFileSync(join(build, 'applied.tfvars.json'), JSON.stringify(variables));
    return this.#terraform.shell(lines, dirname(this.#python));
  }

  /** @returns how many environments the function may have, and its address */
  async open(name: string): Promise<{ reserved: number; url: string | undefined }> {
    const { ReservedConcurrentExecutions: reserved } = await this.#ask(`/2019-09-30/functions/${name}/concurrency`);
    const url = await this.#ask(`/2021-10-31/functions/${name}/url?Qualifier=live`).catch(() => undefined);
    return { reserved, url: url?.['FunctionUrl'] };
  }

  destroy(): Promise<string> {
    return this.#terraform.terraform('destroy', '-auto-approve', '-input=false', '-no-color');
  }

  /** What Terraform keeps of the account: resources by address without index, and outputs. */
  state(): { resources: { address: string; attributes: Attributes }[]; outputs: Record<string, { value: unknown }> } {
    const state = JSON.parse(readFileSync(join(this.#terraform.folder, 'terraform.tfstate'), 'utf8'));
    return {
      resources: state.resources.flatMap(({ type, name, instances }: StoredResource) =>
        instances.map(({ attributes }) => ({ address: `${type}.${name}`, attributes })),
      ),
      outputs: state.outputs,
    };
  }

  /** What the account has, by name; rules of security groups as `egress GROUP PROTOCOL PORTS TARGET`. */
  async holdings(): Promise<string[]> {
    this.#account.stdin?.write('\n');
    return JSON.parse(await this.#line());
  }

  /** What was asked of the account, as Shim tells it. */
  get calls(): string[] {
    return [...(this.#shim?.calls ?? [])];
  }

  /** The version that callers get, and all that are published. */
  async versions(name: string): Promise<{ live: string; published: string[] }> {
    const alias = await this.#ask(`/2015-03-31/functions/${name}/aliases/live`);
    const { Versions } = await this.#ask(`/2015-03-31/functions/${name}/versions`);
    const published = Versions.map(({ Version }: { Version: string }) => Version);
    return { live: alias['FunctionVersion'], published: published.filter((version: string) => version !== '$LATEST') };
  }

  /** Lets the alias send half of the requests to another version. */
  async weigh(name: string, version: string): Promise<void> {
    const alias = `/2015-03-31/functions/${name}/aliases/live`;
    const { FunctionVersion } = await this.#ask(alias);
    const weights = { FunctionVersion, RoutingConfig: { AdditionalVersionWeights: { [version]: 0.5 } } };
    expect(await this.#ask(alias, weights)).toMatchObject(weights);
  }

  async close(): Promise<void> {
    this.#worker?.process.stdin?.end();
    await this.#shim?.close();
    this.#workspace?.remove();
    this.#account.stdin?.end();
    if (this.#account.exitCode === null) await once(this.#account, 'exit');
    rmSync(this.#home, { recursive: true });
  }

  get #terraform(): Workspace {
    if (!this.#workspace) throw new Error('not started');
    return this.#workspace;
  }

  async #line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error('account.py has ended');
    return value;
  }

  // biome-ignore lint/suspicious/noExplicitAny: each call has its own answer
  async #ask(path: string, change?: object): Promise<Record<string, any>> {
    const response = await fetch(`${this.#moto}${path}`, {
      ...(change && { method: 'PUT', body: JSON.stringify(change) }),
      headers: { authorization: 'AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/lambda/aws4_request' },
    });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return JSON.parse(await response.text());
  }

  /** Runs a function with the environment that the version has in the account. */
  async #invoke({ function: name, qualifier, payload }: Invocation): Promise<InvocationResult> {
    const { Handler, Environment } = await this.#ask(
      `/2015-03-31/functions/${name}/configuration?Qualifier=${encodeURIComponent(qualifier)}`,
    );
    const variables = JSON.stringify(Environment.Variables)
      .replaceAll('/mnt/models', this.efs)
      .replaceAll('/var/task', this.task);
    const provisioner = Handler === 'provision.handler';
    const env = {
      PATH: process.env['PATH'],
      ...CREDENTIALS,
      ...JSON.parse(variables),
      AWS_ENDPOINT_URL: this.#moto,
      PYTHONPATH: provisioner ? this.file('provisioner.zip') : join(root, 'packages/service'),
    };
    if (Handler === 'burst_ner.batch.handler') return this.#work(payload, env);
    const child = spawn(provisioner ? this.#python : servicePython, [join(import.meta.dirname, 'invoke.py'), Handler], {
      env,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    child.stdin.end(payload);
    const [printed, log] = await Promise.all([text(child.stdout), text(child.stderr)]);
    if (printed) return JSON.parse(printed);
    throw new Error(`${Handler} ended without an answer: ${log}`);
  }

  /** Of the account, for the environment. */
  get credentials(): Record<string, string> {
    return CREDENTIALS;
  }

  /** Puts an object into a bucket, which is made when it is not there. */
  async put(bucket: string, key: string, body: string | Buffer): Promise<void> {
    const headers = { authorization: 'AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request' };
    await fetch(`${this.#moto}/${bucket}`, { method: 'PUT', headers });
    const { ok, status } = await fetch(`${this.#moto}/${bucket}/${key}`, { method: 'PUT', headers, body });
    if (!ok) throw new Error(`${key}: ${status}`);
  }

  /** Where calls of AWS go that are not to be told in `calls`. */
  get endpoint(): string {
    return this.#moto;
  }

  /** An invocation of the batch worker, which may be killed or lose its answer (worker.py). */
  async #work(payload: string, env: NodeJS.ProcessEnv): Promise<InvocationResult> {
    if (!this.#worker) {
      const TROUBLE = JSON.stringify(this.#trouble);
      const options = { env: { ...env, TROUBLE }, stdio: ['pipe', 'pipe', 'ignore'] as const };
      const process = spawn(this.#python, [join(import.meta.dirname, 'worker.py')], {
        ...options,
        stdio: ['pipe', 'pipe', 'ignore'],
      });
      const lines = createInterface({ input: process.stdout })[Symbol.asyncIterator]();
      this.#worker = { process, url: (await lines.next()).value };
    }
    try {
      const answer = await fetch(this.#worker.url, { method: 'POST', body: payload });
      return (await answer.json()) as InvocationResult;
    } catch {
      return { error: { errorMessage: 'RequestId: test Error: Runtime exited', errorType: 'Runtime.ExitError' } };
    }
  }
}

async function text(stream: NodeJS.ReadableStream): Promise<string> {
  let all = '';
  for await (const chunk of stream) all += chunk;
  return all;
}
