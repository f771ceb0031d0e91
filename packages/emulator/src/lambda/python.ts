import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** What drives the handler: Amazon's own runtime client, or this package's loop over the same Runtime API. */
export type RuntimeName = 'awslambdaric' | 'compat runtime';

/** How to run a Lambda handler with one Python. */
export interface PythonRuntime {
  name: RuntimeName;
  /** The interpreter. */
  python: string;
  /** Its arguments, to be followed by the handler's name. */
  args: readonly string[];
  /** `major.minor`. */
  version: string;
  /** Where its packages are, which on Lambda are in the function's zip. */
  packages: string;
}

const PROBE =
  'import importlib.util as u, json, sys, sysconfig; ' +
  'print(json.dumps(["%d.%d" % sys.version_info[:2], sysconfig.get_path("purelib"), u.find_spec("awslambdaric") is not None]))';

/**
 * Asks an interpreter for its version and picks the runtime: awslambdaric on Linux, as on Lambda. Elsewhere
 * awslambdaric has no native client, so the compat runtime drives the handler.
 *
 * @param python path or name of the interpreter
 * @param compatRuntime path of `compat_runtime.py`
 * @param forceCompat take the compat runtime on Linux too
 * @throws {Error} one sentence, when the interpreter cannot be run or lacks awslambdaric on Linux
 */
export async function findRuntime(python: string, compatRuntime: string, forceCompat: boolean): Promise<PythonRuntime> {
  const { stdout } = await promisify(execFile)(python, ['-c', PROBE]).catch((error: NodeJS.ErrnoException) => {
    const why = error.code === 'ENOENT' ? 'there is no such program' : 'it does not run';
    throw new Error(`no Python at ${python}: ${why}; pass --python with the interpreter of the service's environment`);
  });
  const [version, packages, hasClient] = JSON.parse(stdout) as [string, string, boolean];
  const shared = { python, version, packages };
  if (forceCompat || process.platform !== 'linux') {
    return { ...shared, name: 'compat runtime', args: [compatRuntime] };
  }
  if (!hasClient) {
    throw new Error(`${python} has no awslambdaric; install the service's requirements.lock into its environment`);
  }
  return { ...shared, name: 'awslambdaric', args: ['-m', 'awslambdaric'] };
}
