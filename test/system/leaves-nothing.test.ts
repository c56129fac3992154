import { mkdirSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BackgroundProcess, command } from '../../scripts/testbed/command.ts';
import { removeLeftovers } from '../../scripts/testbed/lab.ts';
import { systemTest } from './support/system-test.ts';

const LAB = join(import.meta.dirname, '../../scripts/lab.ts');

/** Namespaces and temporary folders of one process. */
function left(pid: number): string[] {
  return [...readdirSync('/run/netns'), ...readdirSync(tmpdir())].filter((name) => name.startsWith(`idl-${pid}-`));
}

async function runningLab(): Promise<BackgroundProcess> {
  const lab = new BackgroundProcess(process.execPath, [LAB, 'up']);
  await lab.waitFor(/Ctrl-C/, 60_000);
  return lab;
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  systemTest(`a lab that gets ${signal} takes its namespaces, processes and files with it`, async (t) => {
    const lab = await runningLab();
    t.true(left(lab.pid).length > 0);
    t.not(await lab.stop(signal), 0);
    t.deepEqual(left(lab.pid), []);
  });

systemTest(
  'what a lab leaves that was killed, mounts too, is removed by the next, which leaves a running one alone',
  async (t) => {
    const [killed, running] = [await runningLab(), await runningLab()];
    t.teardown(async () => running.stop('SIGINT'));
    const folder = join(tmpdir(), left(killed.pid).find((name) => /-\d+$/.test(name)) ?? '', 'disk');
    mkdirSync(folder);
    await command('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'none', folder]);
    killed.kill();
    await killed.exited;
    t.true(left(killed.pid).length > 0);
    const before = left(running.pid);
    removeLeftovers();
    t.deepEqual(left(killed.pid), []);
    t.deepEqual(left(running.pid), before);
  },
);
