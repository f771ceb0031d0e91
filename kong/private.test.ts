// kong/private.yaml, for a function without a URL: what decK makes of kong.yaml with it.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { parseConfig } from '../packages/emulator/src/gateway/config.js';
import { root } from '../scripts/step.mjs';
import { render } from './render.mjs';

interface Plugin {
  name: string;
  config: Record<string, unknown>;
}

/** Fields of the plugin's schema in Kong 3.9 (kong/plugins/aws-lambda/schema.lua): any other is refused. */
const FIELDS =
  'timeout keepalive aws_key aws_secret aws_assume_role_arn aws_role_session_name aws_sts_endpoint_url aws_region ' +
  'function_name qualifier invocation_type log_type host port disable_https unhandled_status forward_request_method ' +
  'forward_request_uri forward_request_headers forward_request_body is_proxy_integration awsgateway_compatible proxy_url ' +
  'skip_large_bodies base64_encode_body aws_imds_protocol_version empty_arrays_mode';

const source = (name: string) => readFileSync(path.join(root, 'kong', name), 'utf8');
const { patches } = parse(source('private.yaml'));
const file = parse(source('kong.yaml'));
const [service] = file.services;
const plugin = (name: string): Plugin => service.plugins.find((each: Plugin) => each.name === name);

// As decK does: removed keys, and values that are added to a list.
const [transformer, added] = patches;
for (const key of transformer.remove) delete plugin('request-transformer').config[key];
service.plugins.push(...added.values);

test('the patch selects what it means to change', () => {
  expect(transformer.selectors).toEqual(["$..plugins[?(@.name == 'request-transformer')].config"]);
  expect(added.selectors).toEqual([`$.services[?(@.name == '${service.name}')].plugins`]);
});

test("no origin secret goes along, and a caller's own header goes neither", () => {
  expect(plugin('request-transformer').config).toEqual({ remove: { headers: ['authorization'] } });
  expect(stringify(file)).not.toContain('DECK_NER_ORIGIN_SECRET');
});

test('the plugin calls the alias, as the function expects it, and no field is unknown to Kong', () => {
  const { config } = plugin('aws-lambda');
  expect(Object.keys(config).filter((field) => !FIELDS.split(' ').includes(field))).toEqual([]);
  expect(config).toMatchObject({ qualifier: 'live', awsgateway_compatible: true, is_proxy_integration: true });
  // The plugin has a clock of its own, in the place of the service's.
  expect(config['timeout']).toBe(service.read_timeout);
  expect(config).not.toHaveProperty('aws_key');
});

test('the emulator, which has no AWS to call, refuses it with its line', () => {
  const env = Object.fromEntries(
    [...stringify(file).matchAll(/env "(\w+)"/g)].map(([, name = '']) => [name, 'https://x']),
  );
  expect(() => parseConfig('kong.yaml', render(stringify(file), env))).toThrow(/^kong\.yaml:\d+: .*aws-lambda/);
});
