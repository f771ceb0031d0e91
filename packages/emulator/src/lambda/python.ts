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
}

const PROBE =
  'import importlib.util as u, json, sys; ' +
  'print(json.dumps(["%d.%d" % sys.version_info[:2], u.find_spec("awslambdaric") is not None]))';

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
  const [version, hasClient] = JSON.parse(stdout) as [string, boolean];
  if (forceCompat || process.platform !== 'linux') {
    return { name: 'compat runtime', python, args: [compatRuntime], version };
  }
  if (!hasClient) {
    throw new Error(`${python} has no awslambdaric; install the service's requirements.lock into its environment`);
  }
  return { name: 'awslambdaric', python, args: ['-m', 'awslambdaric'], version };
}
