// The key and the text that tests use where they may be in no output: words that are nowhere else, so a search tells.
import fs from 'node:fs';
import path from 'node:path';

/** An API key. */
export const KEY = 'canary-key-7Qz41';
/** No entity: it is in nothing that is made of a text, and in no log. */
export const TEXT = 'zanzibella quorngate';

/** `packages/service/tests/test_privacy.py` has the text as a name. */
const WORDS = /canary-key-|zanzibella|quorngate/i;

/** Whether one of them is in what a program has put out. @param {string} output */
export const told = (output) => WORDS.test(output);

/**
 * @param {string} folder
 * @returns {string[]} the files below it that hold one, each with the number of the first such line
 */
export function leaks(folder) {
  return fs
    .readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .flatMap((entry) => {
      const file = path.join(entry.parentPath, entry.name);
      const line = fs.readFileSync(file, 'utf8').split('\n').findIndex(told);
      return line < 0 ? [] : [`${path.relative(folder, file)}:${line + 1}`];
    });
}
