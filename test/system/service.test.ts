import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { type CommandResult, command, eventually, ScriptError, tryCommand } from '../../scripts/testbed/command.ts';
import { sanitizedAgents } from '../../scripts/testbed/sanitizers.ts';
import { messageOf } from '../../src/base/errors.ts';
import { EXIT } from '../../src/cli/exit-status.ts';
import { methods, type Status } from '../../src/control/schemas.ts';
import { BootedDebian, bootingUnavailable } from './support/booted-debian.ts';

const CHECKOUT = join(import.meta.dirname, '../..');
const UNIT = join(CHECKOUT, 'systemd/idloc.service');
const INSTALL = join(CHECKOUT, 'scripts/install');
const MAX_EXPOSURE = 2.0;
/** RestartSec of the unit. */
const RESTART_MS = 1_000;
const CAP_NET_ADMIN = 1n << 12n;
const NODE_THERE = `/usr/lib/idloc/node_modules/node-linux-${process.arch}/bin/node`;
/** Prints the version of TLS that is spoken at port 443 of HOST. Whose certificate it is says nothing: DTLS inside does. */
const DIAL_TLS = `const socket = require('node:tls').connect({ host: 'HOST', port: 443, rejectUnauthorized: false }, () => {
  console.log(socket.getProtocol());
  socket.destroy();
});
setTimeout(() => {
  console.error('no answer');
  process.exit(1);
}, 5_000).unref();`;
/** A service that is begun anew, on a busy machine. */
const PATIENCE_MS = 30_000;

const unavailable =
  sanitizedAgents() === undefined ? await bootingUnavailable() : 'only the ordinary build of the addon is installed';

/** The steps of one life of the service, in one Debian: each goes on where the last one ended. */
function step(title: string, run: (t: ExecutionContext, debian: BootedDebian) => Promise<void>): void {
  if (unavailable !== undefined) test.serial.skip(`${title} (skipped: ${unavailable})`, () => undefined);
  else {
    test.serial(title, async (t) => {
      t.timeout(120_000);
      await run(t, debian ?? t.fail('no Debian was booted'));
    });
  }
}

let debian: BootedDebian | undefined;
/** What the service said of itself when it was started first. */
let firstStatus: Status | undefined;

if (unavailable === undefined) {
  test.before('a Debian is booted with idloc installed', async (t) => {
    t.timeout(480_000);
    debian = await BootedDebian.prepare();
    await command(INSTALL, ['--root', debian.root]);
    await debian.boot();
  });
  test.after.always('the Debian is removed', async (t) => {
    t.timeout(60_000);
    await debian?.remove();
  });
}

async function status(machine: BootedDebian): Promise<Status> {
  return methods.status.result.parse(JSON.parse(await machine.run('idloc', 'status', '--json')));
}

function first(): Status {
  if (firstStatus === undefined) throw new Error('the service never started');
  return firstStatus;
}

async function mainPid(machine: BootedDebian): Promise<string> {
  return (await machine.run('systemctl', 'show', '--property=MainPID', '--value', 'idloc')).trim();
}

async function isActive(machine: BootedDebian, unit: string): Promise<string> {
  return (await machine.tryRun('systemctl', 'is-active', unit)).stdout.trim();
}

/** As another process than `before`. */
async function comesBack(machine: BootedDebian, before: string): Promise<void> {
  try {
    await eventually('the service comes back', PATIENCE_MS, async () =>
      (await mainPid(machine)) !== before && (await isActive(machine, 'idloc')) === 'active' ? true : undefined,
    );
  } catch (error) {
    const { stdout } = await machine.tryRun('systemctl', 'status', '--no-pager', '--lines=30', 'idloc');
    throw new ScriptError(`${messageOf(error)}: ${stdout}`, { cause: error });
  }
}

async function routeTo(machine: BootedDebian, address: string): Promise<string> {
  const { stdout, stderr } = await machine.tryRun('ip', 'route', 'get', address);
  return `${stdout}${stderr}`;
}

async function isUnreachable(t: ExecutionContext, machine: BootedDebian): Promise<void> {
  for (const address of ['198.18.0.77', '2001:20::77']) t.regex(await routeTo(machine, address), /No route to host/);
}

test('the service is hardly exposed', async (t) => {
  if ((await tryCommand('which', ['systemd-analyze'])).status !== 0) {
    t.log('skipped: systemd-analyze is not installed');
    t.pass();
    return;
  }
  const report = await command('systemd-analyze', ['security', '--offline=true', '--no-pager', UNIT]);
  const exposure = Number(/Overall exposure level for idloc\.service: ([\d.]+)/.exec(report)?.[1]);
  t.log(`exposure ${exposure}`);
  t.true(exposure <= MAX_EXPOSURE);
});

step('before the agent ever ran, its addresses are unreachable, though there is a default route', async (t, debian) => {
  await debian.run('ip', 'link', 'add', 'wan', 'type', 'veth', 'peer', 'name', 'isp');
  for (const end of ['wan', 'isp']) await debian.run('ip', 'link', 'set', end, 'up');
  await debian.run('ip', 'address', 'add', '192.0.2.2/24', 'dev', 'wan');
  await debian.run('ip', 'address', 'add', '2001:db8::2/64', 'dev', 'wan', 'nodad');
  await debian.run('ip', 'route', 'add', 'default', 'via', '192.0.2.1');
  await debian.run('ip', '-6', 'route', 'add', 'default', 'via', '2001:db8::1');
  t.regex(await routeTo(debian, '203.0.113.1'), /via 192\.0\.2\.1/);
  t.regex(await routeTo(debian, '2001:db8:1::1'), /via 2001:db8::1/);
  await isUnreachable(t, debian);
});

step('started, it runs as a user of its own with CAP_NET_ADMIN and nothing else', async (t, debian) => {
  await debian.run('systemctl', 'start', 'idloc');
  t.is(await isActive(debian, 'idloc'), 'active');
  firstStatus = await status(debian);
  t.is(firstStatus.state, 'alone');
  t.not(firstStatus.ipv4, null);
  const proc = await debian.run('cat', `/proc/${await mainPid(debian)}/status`);
  const field = (name: string): string => new RegExp(`^${name}:\\s*(\\S+)`, 'm').exec(proc)?.[1] ?? '';
  for (const set of ['CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) t.is(BigInt(`0x${field(set)}`), CAP_NET_ADMIN, set);
  // comm and nice (proc(5)) of every thread: the one that carries packets goes before programs, JavaScript after them.
  const threads = await debian.run('sh', '-c', `cat /proc/${await mainPid(debian)}/task/*/stat`);
  const nice = (comm: string): string[] =>
    [...threads.matchAll(/^\d+ \((.*)\) (.*)$/gm)]
      .filter((thread) => thread[1] === comm)
      .map((thread) => thread[2]?.split(' ')[16] ?? '');
  t.deepEqual(nice('idloc-data'), ['-5']);
  t.deepEqual(nice('MainThread'), ['10']);
  // What becomes of it is the container's to say: raising a limit takes CAP_SYS_RESOURCE.
  t.is((await debian.run('systemctl', 'show', '--property=LimitRTPRIO', '--value', 'idloc')).trim(), '1');
  t.is(field('NoNewPrivs'), '1');
  t.is(field('Seccomp'), '2');
  t.not(field('Uid'), '0');
  t.deepEqual(debian.stat('var/lib/idloc'), { mode: 0o700, uid: Number(field('Uid')) });
  t.is(debian.stat('var/lib/idloc/identity.pem').mode, 0o600);
  t.is((await debian.run('stat', '--format=%a %U:%G', '/run/idloc/idloc.sock')).trim(), '660 idloc:idloc');
  t.regex(await routeTo(debian, '198.18.0.77'), /dev idloc0/);
});

step("names of the overlay are known to the host's own resolver, by name and by address", async (t, debian) => {
  const { hit, ipv4 } = first();
  const name = first().name ?? '';
  t.regex(name, /^saturn\./);
  const found = await debian.run('resolvectl', 'query', name);
  t.true(found.includes(hit) && found.includes(ipv4 ?? ''), found);
  for (const address of [hit, ipv4 ?? ''])
    t.regex(await debian.run('resolvectl', 'query', address), new RegExp(`: ${name}`));
});

step(
  'in another overlay while it runs, the names of that one are known, and those of the old one no more',
  async (t, debian) => {
    const before = first().name ?? '';
    await debian.run('idloc', 'leave');
    await debian.run('idloc', 'create', 'second.example');
    firstStatus = await eventually('the new overlay', PATIENCE_MS, async () => {
      const now = await status(debian);
      return now.ipv4 !== null && now.state === 'alone' ? now : undefined;
    });
    const { hit, ipv4, name } = first();
    t.is(name, 'saturn.second.example');
    const found = await eventually('the name is known', PATIENCE_MS, async () => {
      const { status: failed, stdout } = await debian.tryRun('resolvectl', 'query', name ?? '');
      return failed === 0 ? stdout : undefined;
    });
    t.true(found.includes(hit) && found.includes(ipv4 ?? ''), found);
    t.not((await debian.tryRun('resolvectl', 'query', before)).status, 0);
  },
);

step(
  "with an IPv4 prefix of the overlay's own, addresses of that one have names, and those of the default prefix are nobody's",
  async (t, debian) => {
    const prefix = '10.77.0.0/22';
    writeFileSync(join(debian.root, 'etc/idloc/config.toml'), `ipv4_prefix = "${prefix}"\n`);
    await debian.run('systemctl', 'restart', 'idloc');
    await debian.run('idloc', 'leave');
    await debian.run('idloc', 'create', 'third.example');
    firstStatus = await eventually('the new overlay', PATIENCE_MS, async () => {
      const now = await status(debian);
      return now.ipv4 !== null && now.state === 'alone' ? now : undefined;
    });
    const { hit, ipv4, name } = first();
    t.regex(ipv4 ?? '', /^10\.77\.[0-3]\.\d+$/);
    for (const address of [hit, ipv4 ?? ''])
      await eventually(`${address} has a name`, PATIENCE_MS, async () => {
        const { stdout } = await debian.tryRun('resolvectl', 'query', address);
        return stdout.includes(`: ${name ?? ''}`) ? true : undefined;
      });
    const [, domains = ''] = (await debian.run('resolvectl', 'domain', 'idloc0')).split('):');
    const zones = ['2.0.0.1.0.0.2.ip6', ...[0, 1, 2, 3].map((octet) => `${octet}.77.10.in-addr`)];
    t.deepEqual(domains.trim().split(/\s+/).sort(), ['third.example', ...zones.map((zone) => `~${zone}.arpa`)].sort());
  },
);

step('killed, it comes back by itself with the same identity and address', async (t, debian) => {
  const before = await mainPid(debian);
  await debian.run('systemctl', 'kill', '--signal=KILL', 'idloc');
  await comesBack(debian, before);
  const after = await status(debian);
  t.is(after.hit, first().hit);
  t.is(after.ipv4, first().ipv4);
  t.is(after.overlay, first().overlay);
});

step('with its interface deleted by someone else, it says so and comes back', async (t, debian) => {
  const before = await mainPid(debian);
  await debian.run('ip', 'link', 'delete', 'idloc0');
  await comesBack(debian, before);
  t.is((await status(debian)).ipv4, first().ipv4);
  t.regex(await debian.run('journalctl', '--unit=idloc', '--output=cat'), /tun lost/);
});

step('stuck, it is ended by the watchdog and comes back', async (t, debian) => {
  mkdirSync(join(debian.root, 'etc/systemd/system/idloc.service.d'), { recursive: true });
  const dropIn = join(debian.root, 'etc/systemd/system/idloc.service.d/test.conf');
  writeFileSync(dropIn, '[Service]\nWatchdogSec=2\nTimeoutAbortSec=1\n');
  await debian.run('systemctl', 'daemon-reload');
  await debian.run('systemctl', 'restart', 'idloc');
  const before = await mainPid(debian);
  await debian.run('systemctl', 'kill', '--signal=STOP', '--kill-who=main', 'idloc');
  await comesBack(debian, before);
  t.is((await status(debian)).hit, first().hit);
  t.regex(await debian.run('journalctl', '--unit=idloc', '--output=cat'), /Watchdog timeout/);
  await debian.run('rm', '-r', '/etc/systemd/system/idloc.service.d');
  await debian.run('systemctl', 'daemon-reload');
});

step(
  '`idloc down` ends it for good: a DNS query does not start it again, nothing leaves elsewhere',
  async (t, debian) => {
    await debian.run('idloc', 'down');
    await eventually('the service ends', PATIENCE_MS, async () =>
      (await isActive(debian, 'idloc')) === 'inactive' && (await isActive(debian, 'idloc-dns.socket')) === 'inactive'
        ? true
        : undefined,
    );
    await debian.tryRun('resolvectl', 'query', first().name ?? '');
    t.is(await isActive(debian, 'idloc'), 'inactive');
    await isUnreachable(t, debian);
  },
);

step(
  'installed again, over the remains of an installation that was interrupted, it is the same host',
  async (t, debian) => {
    mkdirSync(join(debian.root, 'usr/lib/idloc.new/dist'), { recursive: true });
    await command(INSTALL, ['--root', debian.root]);
    t.false(debian.exists('usr/lib/idloc.new'));
    await debian.run('systemctl', 'daemon-reload');
    await debian.run('systemctl', 'enable', '--now', 'idloc');
    const again = await status(debian);
    t.is(again.hit, first().hit);
    t.is(again.ipv4, first().ipv4);
  },
);

/** How a start ended, and that the unit leaves it at that. */
async function staysDown(t: ExecutionContext, machine: BootedDebian, status: number, line: RegExp): Promise<void> {
  const shown = async (...names: string[]): Promise<string> =>
    (await machine.run('systemctl', 'show', ...names.map((name) => `--property=${name}`), '--value', 'idloc')).trim();
  const begun = (): Promise<string> => shown('InvocationID', 'NRestarts');
  t.not((await machine.tryRun('systemctl', 'restart', 'idloc')).status, 0);
  t.is(await isActive(machine, 'idloc'), 'failed');
  t.is(await shown('ExecMainStatus'), String(status));
  const before = await begun();
  await new Promise((resolve) => setTimeout(resolve, 3 * RESTART_MS));
  t.is(await isActive(machine, 'idloc'), 'failed');
  t.is(await begun(), before);
  t.regex((await machine.tryRun('systemctl', 'status', '--no-pager', '--full', '--lines=5', 'idloc')).stdout, line);
}

step(
  'a wrong setting ends it with 78 and one line in its status: it is not begun again until that is mended',
  async (t, debian) => {
    const config = join(debian.root, 'etc/idloc/config.toml');
    writeFileSync(config, 'rendezvous = "everywhere"\n', { mode: 0o644 });
    await staysDown(
      t,
      debian,
      EXIT.configuration,
      /idloc\[\d+\]: idloc: \/etc\/idloc\/config\.toml:1: rendezvous: .*$/m,
    );
    // What only the start itself can find out.
    writeFileSync(config, '[stream]\nlisten = ["127.0.0.1:443"]\n');
    await staysDown(
      t,
      debian,
      EXIT.configuration,
      /idloc\[\d+\]: idloc: cannot listen for streams on 127\.0\.0\.1 port 443: .*$/m,
    );
    rmSync(config);
    await debian.run('systemctl', 'restart', 'idloc');
    t.is(await isActive(debian, 'idloc'), 'active');
  },
);

step(
  'with idloc-stream.socket it lets hosts without UDP in on port 443, and has no more privileges; without, not',
  async (t, debian) => {
    const config = join(debian.root, 'etc/idloc/config.toml');
    writeFileSync(config, '[stream]\nlisten = ["0.0.0.0:443", "[::]:443"]\n', { mode: 0o644 });
    await debian.run('systemctl', 'enable', 'idloc-stream.socket');
    await debian.run('systemctl', 'restart', 'idloc');
    t.is(await isActive(debian, 'idloc'), 'active');
    const proc = await debian.run('cat', `/proc/${await mainPid(debian)}/status`);
    t.is(BigInt(`0x${/^CapPrm:\s*(\S+)/m.exec(proc)?.[1] ?? ''}`), CAP_NET_ADMIN);
    const dial = (host: string): Promise<CommandResult> =>
      debian.tryRun(NODE_THERE, '-e', DIAL_TLS.replace('HOST', host));
    for (const host of ['127.0.0.1', '::1']) t.is((await dial(host)).stdout.trim(), 'TLSv1.3', host);
    // The process is another one, the sockets come again.
    await debian.run('systemctl', 'kill', '--signal=KILL', 'idloc');
    await eventually('it is back', PATIENCE_MS, async () =>
      (await dial('127.0.0.1')).status === 0 ? true : undefined,
    );
    await debian.run('systemctl', 'disable', 'idloc-stream.socket');
    rmSync(config);
    await debian.run('systemctl', 'restart', 'idloc');
    t.is(await isActive(debian, 'idloc'), 'active');
    t.is(await isActive(debian, 'idloc-stream.socket'), 'inactive');
    t.regex((await dial('127.0.0.1')).stderr, /ECONNREFUSED/);
  },
);

step(
  'a membership that is no good ends it with 77, bad usage with 2: it is not begun again either',
  async (t, debian) => {
    const identity = '/var/lib/idloc/identity.pem';
    await debian.run('chmod', '644', identity);
    await staysDown(
      t,
      debian,
      EXIT.membership,
      /Status: "failed: .*identity\.pem is a secret but other users of this host can read it/,
    );
    await debian.run('chmod', '600', identity);
    const dropIn = join(debian.root, 'etc/systemd/system/idloc.service.d');
    mkdirSync(dropIn, { recursive: true });
    writeFileSync(
      join(dropIn, 'usage.conf'),
      '[Service]\nExecStart=\nExecStart=/usr/lib/idloc/bin/idloc up --everywhere\n',
    );
    await debian.run('systemctl', 'daemon-reload');
    await staysDown(
      t,
      debian,
      EXIT.usage,
      /idloc\[\d+\]: idloc: bad usage: unknown option '--everywhere': see `idloc --help`$/m,
    );
    rmSync(dropIn, { recursive: true });
    await debian.run('systemctl', 'daemon-reload');
    await debian.run('systemctl', 'restart', 'idloc');
    t.is(await isActive(debian, 'idloc'), 'active');
  },
);

step(
  'what is wrong for the moment, a port that another program has, is tried again until it is well',
  async (t, debian) => {
    await debian.run('systemctl', 'stop', 'idloc');
    // It waits for a first datagram that never comes.
    const other = 'systemd-socket-activate --datagram --listen=[::]:6084 /bin/true';
    await debian.run('systemd-run', '--unit=other', ...other.split(' '));
    t.not((await debian.tryRun('systemctl', 'start', 'idloc')).status, 0);
    await eventually('it was begun again', PATIENCE_MS, async () =>
      Number(await debian.run('systemctl', 'show', '--property=NRestarts', '--value', 'idloc')) > 1 ? true : undefined,
    );
    await debian.run('systemctl', 'stop', 'other');
    await eventually('it runs', PATIENCE_MS, async () =>
      (await isActive(debian, 'idloc')) === 'active' ? true : undefined,
    );
    t.is((await status(debian)).hit, first().hit);
  },
);

step('removed, only its identity stays; purged, nothing does', async (t, debian) => {
  await debian.run('/mnt/install', '--remove');
  for (const path of ['usr/lib/idloc', 'usr/bin/idloc', 'usr/lib/systemd/system/idloc.service', 'run/idloc']) {
    t.false(debian.exists(path), path);
  }
  const units = await debian.run('systemctl', 'list-units', '--all', '--plain', '--no-legend', 'idloc*');
  t.is(units, '');
  const leftovers = await debian.run('ip', 'route');
  t.notRegex(leftovers, /198\.18|idloc0/);
  t.true(debian.exists('var/lib/idloc/identity.pem'));
  await debian.run('/mnt/install', '--remove', '--purge');
  t.false(debian.exists('var/lib/idloc'));
  t.false(debian.exists('etc/idloc'));
  t.is((await debian.tryRun('getent', 'passwd', 'idloc')).stdout, '');
});
