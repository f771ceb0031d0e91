// Which processes there are: from /proc on Linux, whose smallest images have no ps, and from ps elsewhere.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';

const linux = existsSync('/proc/self/stat');

/** The ids of the processes that descend from `pid`, zombies not among them. */
export function descendants(pid: number): number[] {
  const pairs = linux ? fromProc() : fromPs();
  const found = [pid];
  for (const parent of found) found.push(...pairs.filter(([, ppid]) => ppid === parent).map(([child]) => child));
  return found.slice(1);
}

export const alive = (pid: number) => (linux ? fromProc() : fromPs()).some(([id]) => id === pid);

function fromProc(): [number, number][] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        // pid (command) state ppid …; the command may hold anything, also a parenthesis.
        const [state, ppid] = readFileSync(`/proc/${name}/stat`, 'utf8')
          .replace(/^.*\) /s, '')
          .split(' ');
        return state === 'Z' ? [] : [[Number(name), Number(ppid)] satisfies [number, number]];
      } catch {
        return []; // it ended meanwhile
      }
    });
}

function fromPs(): [number, number][] {
  const rows = execFileSync('ps', ['-eo', 'pid=,ppid='], { encoding: 'utf8' }).trim().split('\n');
  return rows.map((row) => row.trim().split(/\s+/).map(Number) as [number, number]);
}
