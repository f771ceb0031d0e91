/** Something that the user can mend. The message is one sentence: what, where, and what to do. */
export class BatchError extends Error {
  override readonly name: string = 'BatchError';
}

const RIGHT = 'ask for the right, which docs/batch.md lists, or use other credentials (AWS_PROFILE)';
const UNKNOWN = 'AWS does not know these credentials; use others (AWS_PROFILE)';
const MACHINE = 'take the output batch_state_machine_arn of infra';
const ADVICE: Record<string, string> = {
  AccessDenied: RIGHT,
  AccessDeniedException: RIGHT,
  CredentialsProviderError: 'log in to AWS (aws sso login), or set AWS_PROFILE',
  ExpiredToken: 'log in to AWS again',
  ExpiredTokenException: 'log in to AWS again',
  InvalidAccessKeyId: UNKNOWN,
  InvalidArn: MACHINE,
  NoSuchBucket: 'check its name',
  SignatureDoesNotMatch: UNKNOWN,
  StateMachineDoesNotExist: MACHINE,
  UnrecognizedClientException: UNKNOWN,
};

/** An error of the AWS library as one sentence, where there is something to do about it. */
export function explained(error: unknown, what: string): unknown {
  if (!(error instanceof Error) || error instanceof BatchError) return error;
  // It has no name of its own.
  if (error.message === 'Region is missing') {
    return new BatchError('No AWS region is set; set AWS_REGION, or BURST_NER_STATE_MACHINE.', { cause: error });
  }
  const advice = ADVICE[error.name];
  return advice ? new BatchError(`${what}: ${error.name}; ${advice}.`, { cause: error }) : error;
}
