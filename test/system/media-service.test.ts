import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { command, eventually, tryCommand } from '../../scripts/testbed/command.ts';
import { sanitizedAgents } from '../../scripts/testbed/sanitizers.ts';
import { BootedDebian, bootingUnavailable } from './support/booted-debian.ts';
import { copyPrograms } from './support/copied-programs.ts';

const CHECKOUT = join(import.meta.dirname, '../..');
const UNIT = join(CHECKOUT, 'systemd/idloc-media.service');
const MAX_EXPOSURE = 2.0;
const RTPENGINE = '/usr/bin/rtpengine';
const PATIENCE_MS = 30_000;
const SETTINGS = `[sip.lan]
enable = true
address = "192.168.7.1"
users = { kitchen = "a-long-secret" }
`;
/** An offer from the LAN for the overlay, as the agent makes them: it prints the answer. */
const OFFER = `const socket = require('node:dgram').createSocket('udp4');
const sdp = 'v=0\\r\\no=- 1 1 IN IP4 192.168.7.2\\r\\ns=-\\r\\nc=IN IP4 192.168.7.2\\r\\nt=0 0\\r\\nm=audio 4000 RTP/AVP 0\\r\\n';
const text = (value) => value.length + ':' + value;
const dictionary = ['call-id', 'c', 'command', 'offer', 'direction'].map(text).join('') + 'l3:lan7:overlaye' +
  ['from-tag', 'a', 'sdp', sdp].map(text).join('');
socket.on('message', (bytes) => { console.log(bytes.toString()); socket.close(); });
socket.send('1 d' + dictionary + 'e', 6085, '127.0.0.1');
setTimeout(() => process.exit(1), 3000).unref();`;

async function unavailable(): Promise<string | undefined> {
  if (sanitizedAgents() !== undefined) return 'only the ordinary build of the addon is installed';
  return existsSync(RTPENGINE) ? bootingUnavailable() : 'rtpengine is not installed';
}

const why = await unavailable();

function mediaTest(title: string, body: (t: ExecutionContext, debian: BootedDebian) => Promise<void>): void {
  if (why !== undefined) {
    test.serial.skip(`${title} (skipped: ${why})`, () => undefined);
    return;
  }
  test.serial(title, async (t) => {
    t.timeout(480_000);
    const debian = await BootedDebian.prepare();
    t.teardown(() => debian.remove());
    await command(join(CHECKOUT, 'scripts/install'), ['--root', debian.root]);
    await copyPrograms(debian.root, [RTPENGINE]);
    await debian.boot();
    await body(t, debian);
  });
}

mediaTest(
  'the media relay is off until it is asked for, then has the agent’s addresses and no privilege, and outlives the agent',
  async (t, debian) => {
    const isActive = async (): Promise<string> =>
      (await debian.tryRun('systemctl', 'is-active', 'idloc-media')).stdout.trim();
    const mainPid = (): Promise<string> => debian.run('systemctl', 'show', '--value', '-p', 'MainPID', 'idloc-media');
    const waitsFor = (state: string): Promise<true> =>
      eventually(`idloc-media is ${state}`, PATIENCE_MS, async () => ((await isActive()) === state ? true : undefined));
    await debian.run('ip', 'link', 'add', 'lan', 'type', 'veth', 'peer', 'name', 'phones');
    for (const end of ['lan', 'phones']) await debian.run('ip', 'link', 'set', end, 'up');
    await debian.run('ip', 'address', 'add', '192.168.7.1/24', 'dev', 'lan');
    writeFileSync(join(debian.root, 'etc/idloc/config.toml'), SETTINGS, { mode: 0o640 });
    await debian.run('chgrp', 'idloc', '/etc/idloc/config.toml');
    await debian.run('systemctl', 'start', 'idloc');
    t.is(await isActive(), 'inactive', 'nobody has asked for it');

    await debian.run('systemctl', 'enable', '--now', 'idloc-media');
    await waitsFor('active');
    const node = `/usr/lib/idloc/node_modules/node-linux-${process.arch}/bin/node`;
    const answer = await eventually('rtpengine answers', PATIENCE_MS, async () => {
      const { stdout } = await debian.tryRun(node, '-e', OFFER);
      return stdout === '' ? undefined : stdout;
    });
    t.regex(answer, /6:result2:ok/);
    t.regex(answer, /c=IN IP4 198\.1[89]\./, 'the overlay address of this host');
    const first = await mainPid();
    const proc = await debian.run('cat', `/proc/${first.trim()}/status`);
    t.regex(proc, /^CapPrm:\s*0+$/m);
    t.notRegex(proc, /^Uid:\s*0\s/m);

    // The agent is begun anew: calls go on.
    await debian.run('systemctl', 'kill', '--signal=KILL', 'idloc');
    await eventually('the agent is back', PATIENCE_MS, async () =>
      (await debian.tryRun('idloc', 'status')).status === 0 ? true : undefined,
    );
    t.is(await mainPid(), first);
    // Other addresses: it is begun anew.
    await debian.run('sh', '-c', 'echo "# another" >>/run/idloc/rtpengine.conf');
    await eventually('it is begun anew', PATIENCE_MS, async () => ((await mainPid()) === first ? undefined : true));
    await waitsFor('active');
    // It is begun before the agent, and waits for it.
    await debian.run('systemctl', 'stop', 'idloc', 'idloc-media');
    await debian.run('systemctl', 'start', 'idloc-media');
    t.is(await isActive(), 'inactive');
    await debian.run('systemctl', 'start', 'idloc');
    await waitsFor('active');
  },
);

if (why === undefined)
  test.serial('the media relay’s unit is little exposed', async (t) => {
    if ((await tryCommand('which', ['systemd-analyze'])).status !== 0) {
      t.pass('there is no systemd-analyze');
      return;
    }
    const report = await command('systemd-analyze', ['security', '--offline=true', '--no-pager', UNIT]);
    const exposure = Number(/Overall exposure level for idloc-media\.service: ([\d.]+)/.exec(report)?.[1]);
    t.log(`exposure ${exposure}`);
    t.true(exposure <= MAX_EXPOSURE);
  });
