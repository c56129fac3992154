import { readFileSync, readdirSync } from 'node:fs';
import { command } from './command.ts';

/** User and system time in clock ticks, of the text of /proc/PID/stat (proc(5), fields 14 and 15). */
export function cpuTicksOf(stat: string): number {
  // The name in field 2 may hold blanks and brackets.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

let ticksPerSecond: number | undefined;

/** CPU time that processes have used, in seconds. */
export async function cpuSeconds(pids: readonly number[]): Promise<number> {
  ticksPerSecond ??= Number(await command('getconf', ['CLK_TCK']));
  return pids.reduce((sum, pid) => sum + cpuTicksOf(readFileSync(`/proc/${pid}/stat`, 'utf8')), 0) / ticksPerSecond;
}

export function residentMib(pid: number): number {
  return field(readFileSync(`/proc/${pid}/status`, 'utf8'), 'VmRSS') / 1024;
}

/** How often a thread has gone to sleep by itself since it began. @param threadName as `prctl(PR_SET_NAME)` set it */
export function voluntarySwitches(pid: number, threadName: string): number {
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    const status = readFileSync(`/proc/${pid}/task/${task}/status`, 'utf8');
    if (/^Name:\t(.*)$/m.exec(status)?.[1] === threadName) return field(status, 'voluntary_ctxt_switches');
  }
  return NaN;
}

function field(status: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? NaN);
}
