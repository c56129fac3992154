import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { command, eventually } from '../../scripts/testbed/command.ts';
import { sanitizedAgents } from '../../scripts/testbed/sanitizers.ts';
import { methods, type Status } from '../../src/control/schemas.ts';
import { BootedDebian, bootingUnavailable } from './support/booted-debian.ts';

const CHECKOUT = join(import.meta.dirname, '../..');
const UNIT = join(CHECKOUT, 'systemd/idloc@.service');
const MAX_EXPOSURE = 2.0;
const PATIENCE_MS = 30_000;
const SECOND =
  'listen = 6085\ntun = { name = "idloc1", table = 101 }\ndns.listen = "127.0.60.85:5300"\nsip.port = 5063\n';

const why =
  sanitizedAgents() === undefined ? await bootingUnavailable() : 'only the ordinary build of the addon is installed';
const title =
  'a second agent runs beside the first as a service, with files, an interface and a routing table of its own, and leaves nothing of them';

async function statusAt(debian: BootedDebian, socket: string): Promise<Status> {
  return eventually(`${socket} answers with addresses`, PATIENCE_MS, async () => {
    const { status, stdout } = await debian.tryRun('idloc', 'status', '--json', '--socket', socket);
    const found = status === 0 ? methods.status.result.parse(JSON.parse(stdout)) : undefined;
    return found?.tun?.addresses.length === 2 ? found : undefined;
  });
}

if (why !== undefined) test.serial.skip(`${title} (skipped: ${why})`, () => undefined);
else
  test.serial(title, async (t) => {
    t.timeout(480_000);
    const debian = await BootedDebian.prepare();
    t.teardown(() => debian.remove());
    await command(join(CHECKOUT, 'scripts/install'), ['--root', debian.root]);
    writeFileSync(join(debian.root, 'etc/idloc/bob.toml'), SECOND);
    await debian.boot();
    await debian.run('systemctl', 'start', 'idloc', 'idloc@bob');
    const [first, second] = [
      await statusAt(debian, '/run/idloc/idloc.sock'),
      await statusAt(debian, '/run/idloc-bob/idloc.sock'),
    ];
    t.not(first.hit, second.hit);
    t.deepEqual([first.tun?.name, second.tun?.name], ['idloc0', 'idloc1']);
    t.is(second.dns?.listen, '127.0.60.85:5300');
    t.like(second.sip, { port: 5063, listening: true });
    for (const family of ['-4', '-6']) {
      t.regex(await debian.run('ip', family, 'rule'), /31000:\s+from \S+ lookup 101/);
      t.regex(await debian.run('ip', family, 'route', 'show', 'table', '101'), /dev idloc1/);
    }
    t.true(debian.exists('var/lib/idloc-bob/identity.pem'));

    await debian.run('systemctl', 'kill', '--signal=KILL', 'idloc@bob');
    const again = await eventually('it is begun anew', PATIENCE_MS, async () => {
      const { status, stdout } = await debian.tryRun(
        'idloc',
        'status',
        '--json',
        '--socket',
        '/run/idloc-bob/idloc.sock',
      );
      const found = status === 0 ? methods.status.result.parse(JSON.parse(stdout)) : undefined;
      return found?.tun?.addresses.length === 2 && found.pid !== second.pid ? found : undefined;
    });
    t.is(again.hit, second.hit);
    t.is((await debian.run('ip', '-6', 'rule')).match(/lookup 101/g)?.length, 1, 'one rule, though it was killed');

    await debian.run('systemctl', 'stop', 'idloc@bob');
    for (const family of ['-4', '-6']) t.notRegex(await debian.run('ip', family, 'rule'), /lookup 101/);
    t.is((await statusAt(debian, '/run/idloc/idloc.sock')).pid, first.pid, 'the first one has noticed nothing');

    const report = await command('systemd-analyze', ['security', '--offline=true', '--no-pager', UNIT]);
    const exposure = Number(/Overall exposure level for idloc@\w*\.service: ([\d.]+)/.exec(report)?.[1]);
    t.true(exposure <= MAX_EXPOSURE, report.slice(-200));

    await debian.run('/mnt/install', '--remove', '--purge');
    for (const path of ['var/lib/idloc', 'var/lib/idloc-bob', 'etc/idloc', 'usr/lib/systemd/system/idloc@.service'])
      t.false(debian.exists(path), path);
  });
