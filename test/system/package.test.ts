import { createHash } from 'node:crypto';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { command, eventually, tryCommand } from '../../scripts/testbed/command.ts';
import { sanitizedAgents } from '../../scripts/testbed/sanitizers.ts';
import { methods, type Status } from '../../src/control/schemas.ts';
import { BootedDebian, bootingUnavailable } from './support/booted-debian.ts';

const PACKAGE = join(import.meta.dirname, '../../scripts/package');
const PATIENCE_MS = 30_000;
const NOBODY_ASKS = ['env', 'DEBIAN_FRONTEND=readline', 'sh', '-c', 'exec "$@" </dev/null', 'sh'];
/** What Debian itself writes while it runs: package lists, logs, states of services that are not ours. */
const NOT_OURS = /^\/(proc|sys|dev|run|tmp|mnt|var\/(log|cache|lib\/(dpkg|apt|systemd|dbus))|etc\/.*-$|root)/;

const unavailable =
  sanitizedAgents() === undefined ? await bootingUnavailable() : 'only the ordinary build of the addon is packed';

let debian: BootedDebian | undefined;
let packed = '';
let filesBefore: string[] = [];
let accountsBefore = '';

function step(title: string, run: (t: ExecutionContext, debian: BootedDebian) => Promise<void>): void {
  if (unavailable !== undefined) test.serial.skip(`${title} (skipped: ${unavailable})`, () => undefined);
  else {
    test.serial(title, async (t) => {
      t.timeout(180_000);
      await run(t, debian ?? t.fail('no Debian was booted'));
    });
  }
}

if (unavailable === undefined) {
  const folder = mkdtempSync(join(tmpdir(), 'idloc-package-'));
  test.before('a Debian is booted, with a package beside it', async (t) => {
    t.timeout(480_000);
    packed = (await command(PACKAGE, ['--fast', '--output', folder], { timeoutMs: 400_000 })).trim();
    debian = await BootedDebian.prepare();
    cpSync(packed, join(debian.root, 'root', basename(packed)));
    await debian.boot();
  });
  test.after.always('the Debian is removed', async (t) => {
    t.timeout(60_000);
    await debian?.remove();
    rmSync(folder, { recursive: true, force: true });
  });
}

async function status(machine: BootedDebian): Promise<Status> {
  return methods.status.result.parse(JSON.parse(await machine.run('idloc', 'status', '--json')));
}

async function property(machine: BootedDebian, unit: string, name: string): Promise<string> {
  return (await machine.run('systemctl', 'show', `--property=${name}`, '--value', unit)).trim();
}

async function joined(machine: BootedDebian): Promise<Status> {
  return eventually('the service runs', PATIENCE_MS, async () => {
    if ((await property(machine, 'idloc', 'ActiveState')) !== 'active') return undefined;
    return status(machine);
  });
}

async function files(machine: BootedDebian): Promise<string[]> {
  const all = await machine.run('find', '/', '-xdev', '-not', '-path', '/proc/*');
  return all
    .split('\n')
    .filter((path) => !NOT_OURS.test(path))
    .sort();
}

function sha256(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

step('the same sources give the same bytes', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'idloc-package-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const again = (await command(PACKAGE, ['--fast', '--output', folder], { timeoutMs: 150_000 })).trim();
  t.is(sha256(again), sha256(packed));
});

step('lintian finds no error', async (t) => {
  const { status, stdout, stderr } = await tryCommand('lintian', ['--allow-root', '--fail-on', 'error', packed], {
    timeoutMs: 150_000,
  });
  t.log(stdout);
  t.is(status, 0, `${stdout}${stderr}`);
});

step(
  'installed, nothing is asked, and the service runs and is enabled; it has an overlay of its own',
  async (t, debian) => {
    filesBefore = await files(debian);
    accountsBefore = `${await debian.run('getent', 'passwd')}${await debian.run('getent', 'group')}`;
    await debian.run(
      ...(NOBODY_ASKS as [string, ...string[]]),
      'apt-get',
      'install',
      '-y',
      `/root/${basename(packed)}`,
    );
    const { state, ipv4, hit } = await joined(debian);
    t.is(state, 'alone');
    t.truthy(ipv4);
    t.is((await debian.run('systemctl', 'is-enabled', 'idloc', 'idloc-guard')).trim(), 'enabled\nenabled');
    t.regex(await debian.run('idloc', '--version'), /^\d+\.\d+\.\d+$/m);
    t.is((await debian.run('dpkg', '--verify', 'idloc')).trim(), '');
    // The identity is the service's own: nobody else reads it.
    t.is(debian.stat('var/lib/idloc/identity.pem').mode, 0o600);
    t.truthy(hit);
  },
);

step('each command has a man page, and bash completes it', async (t, debian) => {
  const listed = await debian.run('dpkg', '--listfiles', 'idloc');
  const help = await debian.run('idloc', '--help');
  const commands = [...help.matchAll(/^ {2}([a-z]+)(?= |$)/gm)]
    .map(([, name = '']) => name)
    .filter((name) => name !== 'help');
  t.true(commands.length > 15, help);
  for (const name of commands) t.true(listed.includes(`/usr/share/man/man1/idloc-${name}.1.gz\n`), name);
  const complete = async (...words: string[]): Promise<string[]> => {
    const line = words.map((word) => `'${word}'`).join(' ');
    const script = `. /usr/share/bash-completion/completions/idloc; COMP_WORDS=(${line}); COMP_CWORD=${words.length - 1}; _idloc; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return (await debian.run('bash', '-c', script)).trim().split('\n');
  };
  t.deepEqual(await complete('idloc', 'stat'), ['status']);
  t.deepEqual((await complete('idloc', 'contacts', 'im')).sort(), ['import']);
  t.true((await complete('idloc', 'invite', '--u')).includes('--user'));
});

step('installed again, it is the same host in another process; what was disabled stays so', async (t, debian) => {
  const before = await joined(debian);
  const pid = await property(debian, 'idloc', 'MainPID');
  await debian.run('systemctl', 'disable', 'idloc');
  await debian.run('apt-get', 'install', '-y', '--reinstall', `/root/${basename(packed)}`);
  await eventually('another process', PATIENCE_MS, async () => {
    const now = await property(debian, 'idloc', 'MainPID');
    return now !== '0' && now !== pid ? true : undefined;
  });
  t.is((await joined(debian)).hit, before.hit);
  t.is((await debian.tryRun('systemctl', 'is-enabled', 'idloc')).stdout.trim(), 'disabled');
});

step(
  'removed, its identity stays; installed again it runs as the same host, and no unit is masked',
  async (t, debian) => {
    const { hit } = await joined(debian);
    await debian.run('systemctl', 'enable', 'idloc');
    await debian.run('apt-get', 'remove', '-y', 'idloc');
    t.false(debian.exists('usr/lib/idloc'));
    t.false(debian.exists('usr/bin/idloc'));
    t.true(debian.exists('var/lib/idloc/identity.pem'));
    await debian.run('apt-get', 'install', '-y', `/root/${basename(packed)}`);
    t.is((await joined(debian)).hit, hit);
    t.false((await debian.run('systemctl', 'list-unit-files', '--no-legend', 'idloc*')).includes('masked'));
  },
);

step('purged, it leaves no file, account, unit or route; what is of somebody else stays', async (t, debian) => {
  await debian.run('idloc', 'create', 'away.example');
  await debian.run('/usr/lib/idloc/libexec/guard', 'add', '10.99.0.0/16');
  await debian.run('mkdir', '/var/lib/idloc-backup', '/var/lib/idloc-bob');
  await debian.run('touch', '/etc/idloc/bob.toml');
  await debian.run('systemctl', 'enable', 'idloc-media', 'idloc-voicemail.socket', 'idloc-stream.socket');
  await debian.run('apt-get', 'purge', '-y', 'idloc');
  t.deepEqual(
    (await files(debian)).filter((path) => !filesBefore.includes(path)),
    ['/var/lib/idloc-backup'],
  );
  t.is(`${await debian.run('getent', 'passwd')}${await debian.run('getent', 'group')}`, accountsBefore);
  const units = await debian.run('systemctl', 'list-units', '--all', '--plain', '--no-legend');
  t.deepEqual(
    units.split('\n').filter((line) => line.includes('idloc')),
    [],
  );
  for (const family of ['-4', '-6'])
    t.false((await debian.run('ip', family, 'route', 'show', 'table', 'all')).includes('4000000'));
});
