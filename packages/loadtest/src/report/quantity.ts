/** Three digits that matter: 5.3 ms, 20.9 ms, 181 ms, 2.31 s. */
export function formatMs(ms: number): string {
  return `${digits(ms)} ${unit(ms)}`;
}

/** 175 – 190 ms, or 950 ms – 1.20 s where the units differ. */
export function formatRange(lower: number, upper: number): string {
  return unit(lower) === unit(upper)
    ? `${digits(lower)} – ${formatMs(upper)}`
    : `${formatMs(lower)} – ${formatMs(upper)}`;
}

/** A time that somebody set or waits: 500 ms, 61 s, 19 min 19 s, 2 h 5 min; from two minutes in whole seconds. */
export function formatDuration(ms: number): string {
  if (ms < 1000) return `${ms} ms`;
  if (ms < 120_000) return `${ms / 1000} s`;
  const s = Math.round(ms / 1000);
  const parts = [`${Math.floor(s / 3600)} h`, `${Math.floor(s / 60) % 60} min`, `${s % 60} s`];
  return parts.filter((part) => !part.startsWith('0 ')).join(' ');
}

const unit = (ms: number) => (ms < 999.5 ? 'ms' : 's');
const digits = (ms: number) => (ms < 999.5 ? ms.toFixed(ms < 99.95 ? 1 : 0) : (ms / 1000).toFixed(ms < 9995 ? 2 : 1));

/** 12,345. */
export function formatCount(count: number): string {
  return count.toLocaleString('en-US');
}

/** How many times: 1.0, 8.3, 170. */
export function formatTimes(ratio: number): string {
  return ratio < 10 ? ratio.toFixed(1) : formatCount(Number(ratio.toPrecision(2)));
}

/** A share of one: 4.0 %, 60 %. */
export function formatShare(share: number): string {
  return `${(share * 100).toFixed(share < 0.1 && share > 0 ? 1 : 0)} %`;
}
