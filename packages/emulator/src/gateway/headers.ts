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
  const lower = name.toLowerCase();
  const first = headers.find(([key]) => key.toLowerCase() === lower);
  if (!first) {
    headers.push([name, value]);
    return;
  }
  first[1] = value;
  drop(headers, (header) => header !== first && header[0].toLowerCase() === lower);
}

/** Removes every header of that name. */
export function remove(headers: Headers, name: string): void {
  const lower = name.toLowerCase();
  drop(headers, ([key]) => key.toLowerCase() === lower);
}

/** The header names that a Connection header lists: they end at this hop (RFC 9110, 7.6.1). */
export function hopByHop(headers: Headers): string[] {
  return values(headers, 'connection')
    .flatMap((value) => value.toLowerCase().split(','))
    .map((name) => name.trim());
}

/** As they go over the wire, with the empty line behind them. */
export function wire(headers: Headers): string {
  return `${headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
}

function drop(headers: Headers, unwanted: (header: Header) => boolean): void {
  for (let i = headers.length - 1; i >= 0; i--) {
    const header = headers[i];
    if (header && unwanted(header)) headers.splice(i, 1);
  }
}
