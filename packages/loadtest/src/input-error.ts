/** Something that the user can mend. The message is one sentence: what, where, and what to do. */
export class InputError extends Error {
  override readonly name: string = 'InputError';
}
