import { readFileSync, readdirSync } from 'node:fs';
import { command } from './command.ts';

/** User and system time in clock ticks, of the text of /proc/PID/stat (proc(5), fields 14 and 15). */
export function cpuTicksOf(stat: string): number {
  // The name in field 2 may hold blanks and brackets.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

/** The time of all cores in interrupts in clock ticks, of the text of /proc/stat. */
export function interruptTicksOf(stat: string): number {
  const [, , , , , irq = NaN, softirq = NaN] = (/^cpu +(.*)$/m.exec(stat)?.[1] ?? '').split(' ').map(Number);
  return irq + softirq;
}

let ticksPerSecond: number | undefined;

async function toSeconds(ticks: number): Promise<number> {
  ticksPerSecond ??= Number(await command('getconf', ['CLK_TCK']));
  return ticks / ticksPerSecond;
}

/** CPU time that processes have used, in seconds. */
export async function cpuSeconds(pids: readonly number[]): Promise<number> {
  return toSeconds(pids.reduce((sum, pid) => sum + cpuTicksOf(readFileSync(`/proc/${pid}/stat`, 'utf8')), 0));
}

/** CPU time that the first thread of a process has used, in seconds: Node's JavaScript. */
export async function mainThreadSeconds(pid: number): Promise<number> {
  return toSeconds(cpuTicksOf(readFileSync(`/proc/${pid}/task/${pid}/stat`, 'utf8')));
}

/** CPU time that the kernel has spent in interrupts, which no process is charged for, in seconds. */
export async function interruptSeconds(): Promise<number> {
  const threads = readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && nameOf(pid).startsWith('ksoftirqd/'));
  const ticks = interruptTicksOf(readFileSync('/proc/stat', 'utf8'));
  return (await toSeconds(ticks)) + (await cpuSeconds(threads.map(Number)));
}

/** A process and those that it has started. */
export function withChildren(pid: number): number[] {
  const children = readdirSync('/proc').filter((other) => /^\d+$/.test(other) && parentOf(other) === pid);
  return [pid, ...children.flatMap((child) => withChildren(Number(child)))];
}

/** Undefined: it has ended. */
function parentOf(pid: string): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return undefined;
  }
}

function nameOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8');
  } catch {
    return ''; // it has ended
  }
}

/** CPU time of one thread of a process, or of all, to the nanosecond (Documentation/scheduler/sched-stats.rst); milliseconds. */
export function cpuMs(pid: number, threadName?: string): number {
  let total = 0;
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    const read = (file: string): string => readFileSync(`/proc/${pid}/task/${task}/${file}`, 'utf8');
    if (threadName === undefined || read('comm').trimEnd() === threadName)
      total += Number(read('schedstat').split(' ')[0]) / 1e6;
  }
  return total;
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
