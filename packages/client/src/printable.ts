/**
 * Others' words (a file name, a field, a server's sentence) for a terminal or a log: no line break, no escape sequence,
 * no invisible character.
 */
export function printable(text: string): string {
  return text.replace(/\p{C}/gu, '\uFFFD');
}
