import type { Reply } from '../transport.js';

/**
 * Who made an error, in words, and what to do about it. Three can: Kong answers `{"message": …, "request_id": …}`, Lambda
 * `{"Message": …}`, `{"Reason": …, "message": …}` or bare words, and the function `{"error": …, "code": …}`. Via tells
 * nothing of the maker: Kong adds it to its own 502 and 504, too.
 */
export function explain(reply: Reply): string {
  const { status } = reply;
  const body = parse(reply.body);
  if (typeof body['error'] === 'string' && typeof body['code'] === 'string') {
    const advice = FUNCTION[body['code']] ?? `search its log for the request id ${reply.requestId ?? ''}`;
    return `This is the function's own error (a body with "error" and "code"): the request passed Kong and Lambda. ${sentence(advice)}`;
  }
  const proxied = reply.header('via') !== undefined;
  if ('Message' in body || 'Reason' in body || (proxied && reply.header('x-amzn-requestid') !== undefined)) {
    const advice = LAMBDA[status] ?? 'look at the function in the AWS console';
    const way = proxied ? 'the request passed Kong' : 'it came past Kong, for it has no Via header; check --url';
    return `This is Lambda's error (made by AWS, not by our code): ${way}. ${sentence(advice)}`;
  }
  // Its 502 and 504 have a Via, and before Kong 3.5 no request_id.
  const ownAfterAll = [502, 504].includes(status) && reply.header('x-kong-upstream-latency') !== undefined;
  if ('message' in body && (!proxied || 'request_id' in body || ownAfterAll)) {
    const advice = KONG[status] ?? "look at the route's plugins and at Kong's log";
    return `This is Kong's own error (a body with "message", and no x-amzn-requestid): the function was not reached or did not answer. ${sentence(advice)}`;
  }
  return (
    'This is the answer of none of Kong, Lambda and the function, as far as it tells: a proxy or another server stands ' +
    'at this address. Check --url, and what stands between here and Kong.'
  );
}

const KONG: Record<number, string> = {
  401: "no consumer has this key: check NER_API_KEY, and that the consumer's key in kong.yaml was filled in and deployed",
  403: "a plugin of the route refuses this consumer (acl: put it into kong.yaml's group nlp-ner) or this address",
  404: 'no route has this path: --url is the whole endpoint, e.g. https://kong.example.com/nlp/ner',
  413: 'the plugin request-size-limiting allows less than a request of this size',
  429: "the consumer's requests of this window are used up, by this or another program with the key: wait, and see the budget above",
  500: "Kong met an error of its own: look at its log, and at the upstream's TLS (tls_verify, CA)",
  502: 'Kong got no answer from the Function URL: check the host of nlp-ner-service, and that its ca_certificates are those of the host',
  503: 'Kong cannot reach the Function URL: check that its host resolves and that egress is open',
  504: "no answer within connect_timeout or read_timeout: the Function URL's host or its TLS (ca_certificates), a cold start that fails, or a text that takes too long; Kong's log tells which",
};

const LAMBDA: Record<number, string> = {
  403: 'the Function URL refuses Kong: its auth type is not NONE, or lambda:InvokeFunctionUrl or lambda:InvokeFunction is not allowed to all',
  404: 'there is no such Function URL: check the host of nlp-ner-service in kong.yaml',
  413: 'the request is over 6 MB, Lambda’s own limit',
  429: "the function's concurrency is used up: lower --concurrency, or raise the reserved concurrency",
  502: 'the function crashed, ran into its time-out, or cannot load its model: its last log lines say which',
  503: 'Lambda has a fault, or the function is being changed: try again in a minute',
};

const FUNCTION: Record<string, string> = {
  forbidden:
    'Kong and the function have different origin secrets: deploy both with the same (ORIGIN_SECRET and ORIGIN_SECRET_SHA256)',
  not_found: 'Kong passes another path on than / or /model: check strip_path of the route',
  method_not_allowed: 'a request was turned into another method, by a redirect perhaps: check --url',
  model_unavailable:
    'the model loads longer than an initialisation may take: try again, then look at its size and place',
  internal: 'the function met a bug: its log has the type and place of the exception under this request id',
  too_large: 'the function has lower limits than this client knows: update one of them',
};

function sentence(advice: string): string {
  return `${advice[0]?.toUpperCase()}${advice.slice(1)}.`;
}

function parse(body: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
