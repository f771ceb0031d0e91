// What the system knows of processes, from /proc: who started them, and the memory that they hold.
import fs from 'node:fs';

/** Processes that this one has started and that still run, the oldest first. @param {number} pid */
export function children(pid) {
  return fs
    .readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .flatMap((child) => {
      const [state, parent, ...rest] = read(`/proc/${child}/stat`)
        .replace(/^.*\) /s, '')
        .split(' ');
      // The 22nd field of all is when it was started.
      return state && state !== 'Z' && Number(parent) === pid ? [{ child, started: Number(rest[17]) }] : [];
    })
    .sort((a, b) => a.started - b.started)
    .map(({ child }) => child);
}

/** Resident memory in MB; undefined for a process that is gone. @param {number} pid */
export function rssMb(pid) {
  const [, kb] = /^VmRSS:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/status`)) ?? [];
  return kb === undefined ? undefined : (Number(kb) * 1024) / 1e6;
}

/** Empty for a process that has ended meanwhile. @param {string} file */
function read(file) {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
