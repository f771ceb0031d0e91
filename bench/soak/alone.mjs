// Entities by the engine alone, without function, gateway and client.
import child_process from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { python } from '../../scripts/python.mjs';
import { root } from '../../scripts/step.mjs';

const PROGRAM = `
import json, sys
from burst_ner.opening import load
recognizer, _ = load(sys.argv[1])
for line in sys.stdin:
    text = json.loads(line)
    # Offsets of UTF-16, as JavaScript counts.
    units = [0]
    for character in text:
        units.append(units[-1] + (2 if ord(character) > 0xFFFF else 1))
    [entities] = recognizer.recognize([text], 600)
    print(",".join(f"{units[e['start_char']]} {units[e['end_char']]} {e['label']}" for e in entities))
`;

/**
 * @param {string} model a prepared one's folder
 * @param {string[]} texts
 * @returns {Promise<string[]>} `start end label` of each entity, in UTF-16, with commas between
 */
export async function recognize(model, texts) {
  const child = child_process.spawn(python, ['-c', PROGRAM, model], {
    env: { ...process.env, PYTHONPATH: path.join(root, 'packages/service') },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (data) => {
    output += data;
  });
  child.stdin.end(texts.map((text) => `${JSON.stringify(text.toWellFormed())}\n`).join(''));
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`the engine alone ended with ${code}`);
  return output.split('\n').slice(0, texts.length);
}
