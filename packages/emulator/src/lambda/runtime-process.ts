import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { type FunctionError, RuntimeApi } from './runtime-api.js';

/** What to run, where, and with which environment variables (none is inherited). */
export interface Command {
  file: string;
  args: readonly string[];
  cwd: string;
  variables: Readonly<Record<string, string>>;
}

/** One runtime process with its Runtime API server; both begin and end together. */
export class RuntimeProcess {
  readonly api: RuntimeApi;
  /** Undefined when the process could not be started. */
  readonly pid: number | undefined;
  /** Settles when the process is gone, its output is read and the server's sockets are closed. */
  readonly ended: Promise<void>;
  /** The last line on stderr that is not empty. */
  lastError = '';
  #exited = false;
  #killedFor: FunctionError | undefined;

  private constructor(
    api: RuntimeApi,
    { file, args, cwd, variables }: Command,
    onLine: (line: string) => void,
    confine: (pid: number) => void,
  ) {
    this.api = api;
    const child = spawn(file, args, {
      cwd,
      env: { ...variables, AWS_LAMBDA_RUNTIME_API: api.address },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A process group of its own: a terminal's Ctrl-C reaches this program alone, and the group can be killed whole.
      detached: true,
    });
    this.pid = child.pid;
    createInterface({ input: child.stdout }).on('line', onLine);
    createInterface({ input: child.stderr }).on('line', (line) => {
      this.lastError = line.trim() || this.lastError;
      onLine(line);
    });
    this.ended = new Promise((resolve) => {
      const end = (error: FunctionError) => resolve(this.api.end(this.#killedFor ?? error));
      child.once('error', (error) => end({ errorType: 'Runtime.InvalidEntrypoint', errorMessage: error.message }));
      // What the process started itself would hold its output open.
      child.once('exit', () => {
        this.#exited = true;
        this.#killGroup();
      });
      child.once('close', (code, signal) => {
        const how = signal ? `signal: ${signal}` : `exit status ${code}`;
        end({ errorType: 'Runtime.ExitError', errorMessage: `Runtime exited with error: ${how}` });
      });
    });
    try {
      // Before it has read much more than the interpreter.
      if (child.pid !== undefined) confine(child.pid);
    } catch (error) {
      void this.kill({ errorType: 'Sandbox.NotStarted', errorMessage: (error as Error).message });
    }
  }

  /** @param confine puts the process where it is bounded */
  static async start(
    command: Command,
    onLine: (line: string) => void,
    confine: (pid: number) => void,
  ): Promise<RuntimeProcess> {
    return new RuntimeProcess(await RuntimeApi.listen(), command, onLine, confine);
  }

  /** Whether it runs and nobody has killed it. */
  get running(): boolean {
    return !this.#exited && !this.#killedFor;
  }

  /** Kills the process group; whatever waits for the process gets `reason`. Settles as `ended` does. */
  kill(reason: FunctionError): Promise<void> {
    this.#killedFor ??= reason;
    this.#killGroup();
    return this.ended;
  }

  #killGroup(): void {
    if (this.pid === undefined) return;
    try {
      process.kill(-this.pid, 'SIGKILL');
    } catch (error) {
      // Nothing left to kill; macOS answers EPERM for a group whose leader is not reaped yet.
      if (!['ESRCH', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    }
  }
}
