import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Cgroup } from './cgroup.js';
import { type FunctionError, RuntimeApi } from './runtime-api.js';

/** What to run, where, and with which environment variables (none is inherited). */
export interface Command {
  file: string;
  args: readonly string[];
  cwd: string;
  variables: Readonly<Record<string, string>>;
  /** Control groups that it is in from its first instruction. */
  groups: readonly Cgroup[];
}

// Moves itself into the groups that are named before `--`, and becomes the command behind it.
const IN_GROUPS = 'while [ "$1" != -- ]; do echo $$ > "$1" || exit; shift; done; shift; exec "$@"';

/** One runtime process with its Runtime API server; both begin and end together. */
export class RuntimeProcess {
  /** Settles when init is over: with the server when the runtime asked for its first event, else with the reason. */
  readonly ready: Promise<RuntimeApi | FunctionError>;
  /** Settles when the process is gone, its output is read and the server's sockets are closed. */
  readonly ended: Promise<void>;
  /** The last line on stderr that is not empty. */
  lastError = '';
  #pid: number | undefined;
  #exited = false;
  #killedFor: FunctionError | undefined;
  #peakMb: number | undefined;

  constructor(command: Command, onLine: (line: string) => void) {
    const listening = RuntimeApi.listen();
    this.ready = listening.then(async (api) => (await api.ready) ?? api, notStarted);
    this.ended = listening.then(
      async (api) => {
        // Killed before, it is not started.
        const how = this.#killedFor ?? (await this.#run(command, api.address, onLine).catch(notStarted));
        await api.end(this.#killedFor ?? how);
      },
      () => {},
    );
  }

  /** Whether it runs and nobody has killed it. */
  get running(): boolean {
    return !this.#exited && !this.#killedFor;
  }

  /** The memory that it holds now, in MB; undefined off Linux and without a process. */
  get rssMb(): number | undefined {
    return memoryMb(this.#pid, 'VmRSS');
  }

  /** The most memory that it has held, in MB; of a process that is gone, what this said last. */
  peakMb(): number | undefined {
    this.#peakMb = memoryMb(this.#pid, 'VmHWM') ?? this.#peakMb;
    return this.#peakMb;
  }

  /** Kills the process group; whatever waits for the process gets `reason`. Settles as `ended` does. */
  kill(reason: FunctionError): Promise<void> {
    this.peakMb();
    this.#killedFor ??= reason;
    this.#killGroup();
    return this.ended;
  }

  /** Runs the process, and says how it ended. */
  async #run(
    { file, args, cwd, variables, groups }: Command,
    address: string,
    onLine: (line: string) => void,
  ): Promise<FunctionError> {
    const joining = ['/bin/sh', '-c', IN_GROUPS, 'sh', ...groups.map(({ procs }) => procs), '--'];
    const [program = file, ...rest] = [...(groups.length > 0 ? joining : []), file, ...args];
    const child = spawn(program, rest, {
      cwd,
      env: { ...variables, AWS_LAMBDA_RUNTIME_API: address },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A process group of its own: a terminal's Ctrl-C reaches this program alone, and the group can be killed whole.
      detached: true,
    });
    this.#pid = child.pid;
    const end = new Promise<FunctionError>((resolve) => {
      child.once('error', ({ message }) => resolve({ errorType: 'Runtime.InvalidEntrypoint', errorMessage: message }));
      // What the process started itself would hold its output open.
      child.once('exit', () => {
        this.#exited = true;
        this.#killGroup();
      });
      child.once('close', (code, signal) => {
        const how = signal ? `signal: ${signal}` : `exit status ${code}`;
        resolve({ errorType: 'Runtime.ExitError', errorMessage: `Runtime exited with error: ${how}` });
      });
    });
    // Without one, it may have no output to read either.
    if (child.pid === undefined) return end;
    createInterface({ input: child.stdout }).on('line', onLine);
    createInterface({ input: child.stderr }).on('line', (line) => {
      this.lastError = line.trim() || this.lastError;
      onLine(line);
    });
    return end;
  }

  #killGroup(): void {
    if (this.#pid === undefined) return;
    try {
      process.kill(-this.#pid, 'SIGKILL');
    } catch (error) {
      // Nothing left to kill; macOS answers EPERM for a group whose leader is not reaped yet.
      if (!['ESRCH', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    }
  }
}

/** What this machine refused: a socket, a process, or the model's store. */
export function notStarted(error: unknown): FunctionError {
  return { errorType: 'Sandbox.NotStarted', errorMessage: (error as Error).message };
}

/** Memory of a process in MB: the most that it has held, or what it holds now. */
function memoryMb(pid: number | undefined, which: 'VmHWM' | 'VmRSS'): number | undefined {
  try {
    const kib = new RegExp(`^${which}:\\s+(\\d+) kB$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return kib === undefined ? undefined : Math.ceil(Number(kib) / 1024);
  } catch {
    return undefined;
  }
}
