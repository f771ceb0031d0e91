import { expect, test } from 'vitest';
import { replay } from './replay.js';

const GOLDEN = new URL('golden', import.meta.url).pathname;

/** Recorded cases that cannot match, with the reason. */
const DIFFER: Record<string, string> = {
  chunked_request_with_trailer: 'Node sends a Trailer field only with a chunked body',
  chunked_and_content_length: 'no request for Node, which tells nothing of its headers: the 400 is in plain text',
  connect_timeout_post_retries2: 'needs a listener with a full accept queue',
};

test.each([
  '01-key-auth',
  '02-routing',
  '03-rate-limiting',
  '04-rate-limiting-variants',
  '05-upstream-failures',
  '06-transport',
])('answers the recorded requests of %s as Kong did', async (name) => {
  const { count, differences } = await replay(GOLDEN, `${name}.jsonl`);
  expect(count).toBeGreaterThan(20);
  expect(differences.filter((line) => !((line.split(':')[0] ?? '') in DIFFER))).toEqual([]);
});
