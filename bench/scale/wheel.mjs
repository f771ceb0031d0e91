// The wheel by itself: what opening a model takes, and a long text.
import { DEFAULT_MODEL, describeModel, prepareModel } from '../../scripts/model.mjs';
import { figure } from '../median.mjs';
import { run, setUpScale } from './environment.mjs';

const RUNS = 5;

/** @returns {Promise<import('../report.mjs').Row[]>} */
export async function rows() {
  await setUpScale();
  const model = await prepareModel(describeModel(DEFAULT_MODEL));
  /** @type {number[]} */
  const milliseconds = [];
  /** @type {number[]} */
  const bytes = [];
  while (bytes.length < RUNS) {
    const [opened = Number.NaN, character = Number.NaN] = await run('open.py', [model]);
    milliseconds.push(opened);
    bytes.push(character);
  }
  return [
    row('burst_ner.load, the model in the page cache', `${figure(milliseconds, 1)} ms`),
    row('memory while a text of 1,000,000 characters is at work', `${figure(bytes, 0)} bytes a character`),
  ];
}

/** @param {string} what @param {string} value */
const row = (what, value) => ({ what, must: '', value, verdict: '' });
