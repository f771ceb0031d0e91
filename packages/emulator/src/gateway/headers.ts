/** A header as it stands on the wire: name in its own case, value in latin1. */
export type Header = [name: string, value: string];

/** A list of headers in wire order, duplicates kept. Names are compared without case. */
export type Headers = Header[];

/** The values of a header, in order; empty when it is absent. */
export function values(headers: Headers, name: string): string[] {
  const lower = name.toLowerCase();
  return headers.filter(([key]) => key.toLowerCase() === lower).map(([, value]) => value);
}

/**
 * Sets a header as OpenResty does: the first of that name keeps its place and its case, further ones go, and a new
 * one comes last.
 */
export function set(headers: Headers, name: string, value: string): void {
  const first = headers.find(([key]) => key.toLowerCase() === name.toLowerCase());
  if (!first) return void headers.push([name, value]);
  first[1] = value;
  remove(headers, name, first);
}

/** Removes every header of that name, but the one that is to stay. */
export function remove(headers: Headers, name: string, stays?: Header): void {
  for (let i = headers.length - 1; i >= 0; i--) {
    const header = headers[i];
    if (header !== stays && header?.[0].toLowerCase() === name.toLowerCase()) headers.splice(i, 1);
  }
}

/** What a header lists, in lower case. What Connection lists ends at this hop (RFC 9110, 7.6.1). */
export function listed(headers: Headers, name: string): string[] {
  return values(headers, name)
    .flatMap((value) => value.toLowerCase().split(','))
    .map((item) => item.trim());
}

/** As they go over the wire, with the empty line behind them. */
export function wire(headers: Headers): string {
  return `${headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
}
