/** Something that the user can mend. The message is one sentence: what, where, and what to do. */
export class BatchError extends Error {
  override readonly name: string = 'BatchError';
}

const ADVICE: Record<string, string> = {
  AccessDenied: 'ask for the right, which docs/batch.md lists, or use other credentials (AWS_PROFILE)',
  AccessDeniedException: 'ask for the right, which docs/batch.md lists, or use other credentials (AWS_PROFILE)',
  CredentialsProviderError: 'log in to AWS (aws sso login), or set AWS_PROFILE',
  ExpiredToken: 'log in to AWS again',
  ExpiredTokenException: 'log in to AWS again',
  NoSuchBucket: 'check its name',
  StateMachineDoesNotExist: 'take the output batch_state_machine_arn of infra',
};

/** An error of the AWS library as one sentence, where there is something to do about it. */
export function explained(error: unknown, what: string): unknown {
  if (!(error instanceof Error) || error instanceof BatchError) return error;
  const advice = ADVICE[error.name];
  return advice ? new BatchError(`${what}: ${error.name}; ${advice}.`, { cause: error }) : error;
}
