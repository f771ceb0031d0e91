/** Something that the user can mend. The message is one sentence: what, where, and what to do. */
export class InputError extends Error {
  override readonly name: string = 'InputError';
}

/** @param error of the file system */
export function unwritable(file: string, error: unknown): InputError {
  const { code } = error as NodeJS.ErrnoException;
  return new InputError(`Cannot write ${file} (${code}); is there such a folder, with room, and may you write to it?`);
}
