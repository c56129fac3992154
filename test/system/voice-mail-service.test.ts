import { existsSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { command, eventually, tryCommand } from '../../scripts/testbed/command.ts';
import { sanitizedAgents } from '../../scripts/testbed/sanitizers.ts';
import { BootedDebian, bootingUnavailable } from './support/booted-debian.ts';
import { copyPrograms } from './support/copied-programs.ts';

const CHECKOUT = join(import.meta.dirname, '../..');
const UNIT = join(CHECKOUT, 'systemd/idloc-voicemail@.service');
const MAX_EXPOSURE = 2.0;
const PATIENCE_MS = 30_000;
const SOCKET = '/run/idloc-voicemail.sock';
const PROGRAMS = ['baresip', 'opusenc', 'opusdec'].map((name) => `/usr/bin/${name}`);
const MODULES = ['account', 'aubridge', 'aufile', 'g711', 'opus', 'sndfile'].map(
  (name) => `/usr/lib/baresip/modules/${name}.so`,
);
const NODE = `/usr/lib/idloc/node_modules/node-linux-${process.arch}/bin/node`;
/** What the agent sends (src/machine/frames.ts); prints what comes back, and ends as soon as the machine is ready. */
const ORDER = `const frame = (type, text) => {
  const header = Buffer.alloc(5);
  header.writeUInt8(type, 0);
  header.writeUInt32BE(text.length, 1);
  return Buffer.concat([header, Buffer.from(text)]);
};
const orders = { task: 'record', family: 4, interfaceName: 'idloc0', codec: 'g711', maxSeconds: 10 };
const socket = require('node:net').connect('${SOCKET}');
socket.on('error', (error) => { console.log(error.code); process.exit(1); });
socket.write(Buffer.concat([frame(1, JSON.stringify(orders)), frame(3, '')]));
socket.on('data', (bytes) => console.log(bytes.subarray(5).toString()));
setTimeout(() => process.exit(0), 4000);`;

async function unavailable(): Promise<string | undefined> {
  if (sanitizedAgents() !== undefined) return 'only the ordinary build of the addon is installed';
  const missing = [...PROGRAMS, ...MODULES].find((path) => !existsSync(path));
  return missing === undefined ? bootingUnavailable() : `${missing} is not installed`;
}

const why = await unavailable();
const title =
  'the answering machine is off until it is asked for; then the agent’s user alone has one, which has no privilege, and leaves nothing';

if (why !== undefined) test.serial.skip(`${title} (skipped: ${why})`, () => undefined);
else
  test.serial(title, async (t) => {
    t.timeout(480_000);
    const debian = await BootedDebian.prepare();
    t.teardown(() => debian.remove());
    await command(join(CHECKOUT, 'scripts/install'), ['--root', debian.root]);
    await copyPrograms(debian.root, [...PROGRAMS, ...MODULES]);
    await debian.boot();
    await debian.run('systemctl', 'start', 'idloc');
    t.not((await debian.tryRun('test', '-S', SOCKET)).status, 0, 'nobody has asked for it');
    await debian.run('systemctl', 'enable', '--now', 'idloc-voicemail.socket');
    const strange = await debian.tryRun('runuser', '-u', 'nobody', '--', NODE, '-e', ORDER);
    t.is(strange.stdout.trim(), 'EACCES');

    const asked = debian.tryRun('runuser', '-u', 'idloc', '--', NODE, '-e', ORDER);
    const pid = await eventually('baresip runs', PATIENCE_MS, async () => {
      const { stdout } = await debian.tryRun('sh', '-c', 'grep -lx baresip /proc/[0-9]*/comm');
      return /\/proc\/(\d+)\/comm/.exec(stdout)?.[1];
    });
    const proc = await debian.run('cat', `/proc/${pid}/status`);
    t.regex(proc, /^CapPrm:\s*0+$/m);
    t.regex(proc, /^NoNewPrivs:\s*1$/m);
    const uid = /^Uid:\s*(\d+)/m.exec(proc)?.[1] ?? '0';
    t.true(Number(uid) > 0);
    t.not(uid, (await debian.run('id', '-u', 'idloc')).trim());
    // Machines have limits together: each alone may have as much as a small host has.
    t.regex(
      await debian.run('cat', `/proc/${pid}/cgroup`),
      /\/idloc-voicemail\.slice\/idloc-voicemail@[^/]*\.service$/m,
    );
    const limits = await debian.run('systemctl', 'show', 'idloc-voicemail.slice', '-p', 'MemoryMax', '-p', 'TasksMax');
    t.deepEqual(limits.trim().split('\n').toSorted(), ['MemoryMax=1073741824', 'TasksMax=256']);
    const { stdout } = await asked;
    t.regex(stdout, /"port":\d+/, 'ready, within its unit');
    // Whoever asked is gone: so is the machine, and what it had.
    await eventually('the machine is gone', PATIENCE_MS, async () => {
      const units = await debian.run('systemctl', 'list-units', '--all', '--plain', '--no-legend', 'idloc-voicemail@*');
      return units.trim() === '' ? true : undefined;
    });
    t.is((await debian.tryRun('sh', '-c', 'ls -A /run/idloc-voicemail')).stdout.trim(), '');
    // The agent's own folder goes with it, and the socket stays.
    await debian.run('systemctl', 'stop', 'idloc');
    t.is((await debian.tryRun('test', '-S', SOCKET)).status, 0);
  });

if (why === undefined)
  test.serial('the answering machine’s unit is little exposed', async (t) => {
    if ((await tryCommand('which', ['systemd-analyze'])).status !== 0) {
      t.pass('there is no systemd-analyze');
      return;
    }
    const report = await command('systemd-analyze', ['security', '--offline=true', '--no-pager', UNIT]);
    const exposure = Number(/Overall exposure level for idloc-voicemail@\w*\.service: ([\d.]+)/.exec(report)?.[1]);
    t.log(`exposure ${exposure}`);
    t.true(exposure <= MAX_EXPOSURE);
  });
