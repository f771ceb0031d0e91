// `node scripts/cost.mjs`: the table of docs/cost.md, from the list prices of packages/loadtest/src/plan/prices.json.
import fs from 'node:fs';
import path from 'node:path';
import { root } from './step.mjs';

const prices = JSON.parse(fs.readFileSync(path.join(root, 'packages/loadtest/src/plan/prices.json'), 'utf8'));

// What infra/variables.tf has by default.
const ARCH = 'arm64';
const MB = 1769;
const GB = MB / 1024;
const RESERVED = 50;
const MONTH_HOURS = 730;
/** Seconds of a request that the client fills, of an initialisation, and MB that each cold start reads (docs/benchmarks/service.md). */
const REQUEST_S = 3;
const INIT_S = 0.08;
const PLAIN_INIT_S = 3.3;
const PREPARED_MB = 16;
/** Of the files of a plain pipeline of en_core_web_lg's shape: `du -sb .cache/bench/lg-shaped-*` behind the bench. */
const PLAIN_MB = 646;
/** Of a Fargate task with as much CPU. */
const TASK_GB = 2;

/** List prices of us-east-1 that prices.json does not have, 2026-11-27, in USD. */
const CLOUDWATCH = { metric: 0.3, alarm: 0.1, dashboard: 3, logGb: 0.5 }; // https://aws.amazon.com/cloudwatch/pricing/
const EFS_WRITE_GB = 0.06; // https://aws.amazon.com/efs/pricing/
const EGRESS_GB = 0.09; // https://aws.amazon.com/ec2/pricing/on-demand/#Data_Transfer
/** Of telemetry.py, and of observability.tf by default. */
const [METRICS, ALARMS] = [6, 6];
/** Bytes that a request logs: our line has 700, Lambda's two 600. */
const LOG_LINE = 1300;
/** Function URLs let through so many a second for each environment that is reserved. */
const URL_RATE = 10;
/** MB of a prepared model of en_core_web_lg's shape, vectors as f16. */
const MODEL_MB = 214;

const { request, duration, provisioned, provisionedDuration } = prices.lambda;
const run = (/** @type {number} */ seconds) => seconds * GB * duration[ARCH];
const read = (/** @type {number} */ mb) => (mb / 1000) * prices.efs.elasticRead.usd;
const kept = (/** @type {number} */ environments, /** @type {number} */ hours) =>
  environments * hours * 3600 * GB * provisioned[ARCH];
const log = (LOG_LINE / 1e9) * CLOUDWATCH.logGb;
const task = prices.fargate.cpu[ARCH] + TASK_GB * prices.fargate.memory[ARCH];
const burst = (/** @type {number} */ init) => 50 * (request.usd + run(init + REQUEST_S));
const BURSTS = 24 * (MONTH_HOURS / 24);

/** @type {[string, number, string][]} */
const rows = [
  [`a request of ${REQUEST_S} s, warm`, request.usd + run(REQUEST_S), 'each'],
  ['the same in a provisioned environment', request.usd + REQUEST_S * GB * provisionedDuration[ARCH], 'each'],
  [`a cold start: prepared model, ${INIT_S} s`, run(INIT_S), 'each'],
  [`the same, plain pipeline, ${PLAIN_INIT_S} s`, run(PLAIN_INIT_S), 'each'],
  [`what it reads from EFS, elastic: prepared model, ${PREPARED_MB} MB`, read(PREPARED_MB), 'each'],
  [`the same, plain pipeline, ${PLAIN_MB} MB`, read(PLAIN_MB), 'each'],
  [`24 bursts a day of 50 requests of ${REQUEST_S} s, all cold, model in the zip`, BURSTS * burst(INIT_S), 'a month'],
  ['the same, prepared model on EFS, elastic', BURSTS * (burst(INIT_S) + 50 * read(PREPARED_MB)), 'a month'],
  ['the same, plain pipeline on EFS, elastic', BURSTS * (burst(PLAIN_INIT_S) + 50 * read(PLAIN_MB)), 'a month'],
  [
    `CloudWatch: ${METRICS} metrics, ${ALARMS} alarms, a dashboard, all hours`,
    METRICS * CLOUDWATCH.metric + ALARMS * CLOUDWATCH.alarm + CLOUDWATCH.dashboard,
    'a month',
  ],
  [`logs of a million requests, ${LOG_LINE} bytes each`, 1e6 * log, 'each'],
  [`bringing a model of ${MODEL_MB} MB to EFS, elastic`, (MODEL_MB / 1000) * EFS_WRITE_GB, 'each'],
  ['answers to a Kong outside of AWS, beyond 100 GB a month', EGRESS_GB, 'a GB'],
  ['5 provisioned environments, always', kept(5, MONTH_HOURS), 'a month'],
  ['5 provisioned environments, 8 h on weekdays', kept(5, (MONTH_HOURS / 24) * (5 / 7) * 8), 'a month'],
  ['5 Fargate tasks of 1 vCPU and 2 GB, always', 5 * MONTH_HOURS * task, 'a month'],
  [`the ceiling on duration: ${RESERVED} environments at work without a pause`, RESERVED * run(3600), 'an hour'],
  [
    `on top at most: ${RESERVED * URL_RATE} requests a second and their logs`,
    3600 * RESERVED * URL_RATE * (request.usd + log),
    'an hour',
  ],
];
const busyHours = (5 * MONTH_HOURS * task) / run(3600);
const share = provisioned[ARCH] / (duration[ARCH] - provisionedDuration[ARCH]);

const usd = (/** @type {number} */ value) =>
  value < 1 ? Number(value.toPrecision(2)).toFixed(7).replace(/0+$/, '') : value.toFixed(2);
const width = Math.max(...rows.map(([what]) => what.length));
const line = (/** @type {string} */ what, /** @type {string} */ value, /** @type {string} */ per) =>
  `| ${what.padEnd(width)} | ${value.padStart(9)} | ${per.padEnd(7)} |`;
console.log(`List prices of ${prices.region}, ${prices.date}; ${ARCH}, ${MB} MB.\n`);
console.log([line('what', 'USD', ''), `| ${'-'.repeat(width)} | ${'-'.repeat(8)}: | ${'-'.repeat(7)} |`].join('\n'));
console.log(rows.map(([what, value, per]) => line(what, usd(value), per)).join('\n'));
console.log(`\nFive Fargate tasks that always run are cheaper than Lambda from ${Math.round(busyHours).toLocaleString('en')} busy environment hours a month,
${Math.round((100 * busyHours) / (5 * MONTH_HOURS))} % of all the time of five environments; a provisioned environment is cheaper than one on demand when it is busy
more than ${Math.round(100 * share)} % of its time.`);
