import type { Plan } from '../plan.js';
import type { Status } from '../status.js';
import { bar, count, dollars, duration, printable, size } from './words.js';

/** A plan as lines. */
export function planReport(plan: Plan): string {
  const { usd, kong, fargate, speed, concurrency } = plan;
  const left = plan.others > 0 ? `; ${count(plan.others)} other objects are left out` : '';
  const { memoryMb, arch, region } = plan.size;
  const near = plan.pricesOf === region ? '' : `, as none of ${region} are known`;
  const rate = plan.characters / (plan.bytes * speed.perByteMs);
  const lines = [
    `documents  about ${count(plan.documents)}, ${count(plan.characters / Math.max(1, plan.documents))} characters each`,
    `files      ${count(plan.files)}, ${size(plan.bytes)}${left}`,
    `parts      ${count(plan.parts)}, ${count(concurrency)} at once`,
    `speed      ${count(rate * 1000)} characters a second and environment, ${speed.measured ? 'measured' : 'ASSUMED: measure it with --trial'}`,
    `time       ${duration(plan.seconds)}`,
    `dollars    ${dollars(usd.total)}: Lambda ${dollars(usd.lambda)}, Step Functions ${dollars(usd.states)}, S3 ${dollars(usd.s3)}`,
    `           list prices of ${plan.pricesOf}${near}; ${count(memoryMb)} MB, ${arch}`,
    `Kong       ${count(kong.requests)} requests through Kong take ${duration(kong.seconds)} and ${dollars(kong.usd)} dollars` +
      (kong.usd < usd.total ? ': cheaper' : ''),
    `Fargate    ${count(fargate.hours)} hours of one vCPU cost ${dollars(fargate.usd)} dollars` +
      (fargate.usd < usd.total ? ': cheaper, with a container of your own (docs/batch.md)' : ''),
  ];
  if (plan.longestMs !== null && plan.longestMs > 600_000) {
    lines.push(
      `           the longest file that cannot be cut takes ${duration(plan.longestMs / 1000)} in one environment`,
    );
  }
  return lines.join('\n');
}

/** A status as lines. */
export function statusReport(status: Status): string {
  const { parts, documents, usd } = status;
  const ran = status.state === 'NOT_STARTED' ? '' : `, ${duration(status.seconds)}`;
  const lines = [
    `${printable(status.output)}  ${status.state}${ran}`,
    `parts      ${count(parts.done)} of ${count(parts.all)} done, ${count(parts.running)} at work, ${count(parts.failed)} failed`,
    `documents  ${count(documents.done)}${documents.aSecond === null ? '' : `, ${count(documents.aSecond)} a second`}`,
  ];
  if (documents.failed > 0) {
    const codes = Object.entries(documents.errors).map(([code, number]) => `${code} ${count(number)}`);
    lines.push(`           ${count(documents.failed)} of them have an error: ${codes.join(', ')}`);
  }
  if (status.secondsLeft !== null) lines.push(`left       about ${duration(status.secondsLeft)}`);
  const inAll = usd.inAll === null || parts.done === parts.all ? '' : `, about ${dollars(usd.inAll)} in all`;
  lines.push(`dollars    ${dollars(usd.soFar)} so far${inAll}, at list prices of ${status.pricesOf}`);
  if (status.error) lines.push(`ended      ${printable(status.error)}`);
  for (const { name, start, reason } of status.failed) {
    lines.push(`failed     ${printable(name)} from byte ${count(start)}: ${printable(reason)}`);
  }
  if (parts.done < parts.all && status.state !== 'RUNNING') {
    lines.push(`           burst-ner-batch retry-failed ${printable(status.output)} does what is missing`);
  }
  return lines.join('\n');
}

/** A status as one line that replaces the last one. */
export function progressLine({ parts, documents, secondsLeft, usd }: Status, columns: number): string {
  const speed = documents.aSecond === null ? '' : `  ${count(documents.aSecond)} documents/s`;
  const failed = parts.failed > 0 ? `  ${count(parts.failed)} failed` : '';
  const left = secondsLeft === null ? '' : `  ${duration(secondsLeft)} left`;
  const line = `${bar(parts.done / Math.max(1, parts.all))} ${count(parts.done)}/${count(parts.all)} parts${speed}${failed}${left}  $${dollars(usd.soFar)}`;
  return line.slice(0, columns - 1);
}
