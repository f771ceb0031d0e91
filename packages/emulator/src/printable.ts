/** What a function or a file says, as it may stand in one line: it must not command the terminal. */
export function printable(text: string): string {
  return text.replace(/\s/g, ' ').replace(/\p{Cc}|\p{Bidi_Control}/gu, '\ufffd');
}
