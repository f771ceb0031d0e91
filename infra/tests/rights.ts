// What whoever deploys must be allowed: the calls that an account was asked for, as IAM names them.

/** IAM's prefix where it is not the name with which calls are signed. */
const PREFIX: Record<string, string> = { monitoring: 'cloudwatch' };

/** EFS names an operation by method and path. Lambda and S3 do, too, but the policy names none of theirs. */
const EFS = [
  { path: /^\/file-systems\/[^/]+\/(policy)$/, kind: 'FileSystemPolicy' },
  { path: /^\/file-systems\/[^/]+\/(lifecycle-configuration)$/, kind: 'LifecycleConfiguration' },
  { path: /^\/mount-targets\/[^/]+\/(security-groups)$/, kind: 'MountTargetSecurityGroups' },
  { path: /^\/file-systems/, kind: 'FileSystem' },
  { path: /^\/mount-targets/, kind: 'MountTarget' },
  { path: /^\/access-points/, kind: 'AccessPoint' },
];

/**
 * What else AWS checks in such a call, which the caller does not see. Source: Service Authorization Reference, and for
 * the functions' network the Lambda Developer Guide, "Giving Lambda functions access to resources in a VPC".
 */
const IMPLIED: Record<string, string[]> = {
  'application-autoscaling:RegisterScalableTarget': [
    'application-autoscaling:TagResource',
    'iam:CreateServiceLinkedRole',
  ],
  'elasticfilesystem:CreateFileSystem': ['elasticfilesystem:TagResource', 'iam:CreateServiceLinkedRole'],
  'elasticfilesystem:CreateMountTarget': ['ec2:CreateNetworkInterface'],
  'elasticfilesystem:DeleteMountTarget': ['ec2:DeleteNetworkInterface'],
  'iam:CreateRole': ['iam:TagRole', 'iam:UntagRole', 'iam:PassRole', 'iam:PutRolePermissionsBoundary'],
  // The update is of whatever changes its definition.
  'states:CreateStateMachine': ['states:TagResource', 'states:UpdateStateMachine'],
  // When efs_throughput_mode changes.
  'elasticfilesystem:PutFileSystemPolicy': ['elasticfilesystem:UpdateFileSystem'],
};

/**
 * @param calls `SERVICE METHOD URL ACTION`, as Shim tells them
 * @returns IAM actions; of Lambda and S3 `lambda:*` and `s3:*`
 */
export function actionsOf(calls: string[]): Set<string> {
  const actions = new Set<string>();
  for (const call of calls) {
    const [service = '', method = '', url = '', action = ''] = call.split(' ');
    if (service === 'lambda' || service === 's3') actions.add(`${service}:*`);
    else if (service === 'elasticfilesystem') actions.add(`${service}:${efs(method, url)}`);
    else actions.add(`${PREFIX[service] ?? service}:${action}`);
  }
  for (const action of [...actions]) for (const more of IMPLIED[action] ?? []) actions.add(more);
  return actions;
}

function efs(method: string, url: string): string {
  const path = url.replace('/2015-02-01', '').replace(/\?.*/, '');
  const { kind } = EFS.find((each) => each.path.test(path)) ?? { kind: url };
  if (method === 'GET') return `Describe${kind}${/s$|y$|Configuration$/.test(kind) ? '' : 's'}`;
  return { POST: 'Create', PUT: kind === 'FileSystem' ? 'Update' : 'Put', DELETE: 'Delete' }[method] + kind;
}

/** @param pattern as in a policy, such as `ec2:Describe*` */
export const allows = (pattern: string, action: string): boolean =>
  new RegExp(`^${pattern.replaceAll('*', '.*')}$`).test(action);
