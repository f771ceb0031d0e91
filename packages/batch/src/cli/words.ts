// Figures as people read them.

const whole = new Intl.NumberFormat('en');

export const count = (value: number): string => whole.format(Math.round(value));

export function dollars(value: number): string {
  return value < 0.1 ? value.toFixed(4) : whole.format(Math.round(value * 100) / 100);
}

export function duration(seconds: number): string {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min`;
  return seconds < 48 * 3600 ? `${(seconds / 3600).toFixed(1)} h` : `${(seconds / 86_400).toFixed(1)} days`;
}

export function size(bytes: number): string {
  const [scale, unit] = bytes < 1e6 ? [1e3, 'kB'] : bytes < 1e9 ? [1e6, 'MB'] : [1e9, 'GB'];
  return `${(bytes / scale).toFixed(1)} ${unit}`;
}

/** `[=====     ]` */
export function bar(share: number, width = 30): string {
  const full = Math.max(0, Math.min(width, Math.round(share * width)));
  return `[${'='.repeat(full)}${' '.repeat(width - full)}]`;
}

/** Others' words for a terminal: no line break, no escape sequence. */
export const printable = (text: string): string => text.replace(/\p{C}/gu, '\uFFFD');
