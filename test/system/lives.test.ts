import { cpSync, existsSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { Agent, IDLOC, TUN_NAME } from '../../scripts/testbed/agent.ts';
import { command, eventually, tryCommand } from '../../scripts/testbed/command.ts';
import type { Lab, Namespace } from '../../scripts/testbed/lab.ts';
import { pingTimes } from '../../scripts/testbed/load.ts';
import { EXIT } from '../../src/cli/exit-status.ts';
import { methods, type MemberStatus } from '../../src/control/schemas.ts';
import { systemTest } from './support/system-test.ts';

const OVERLAY = 'lives.example';
const PATIENCE_MS = 30_000;

/** Two machines on one cable, with an IPv4 address each. */
async function twoOnACable(
  lab: Lab,
  addresses: readonly [string, string] = ['192.168.7.1/24', '192.168.7.2/24'],
): Promise<[Namespace, Namespace]> {
  const [a, b] = [await lab.namespace('a'), await lab.namespace('b')];
  await lab.cable(a, 'eth0', b, 'eth0');
  for (const [i, machine] of [a, b].entries()) {
    await machine.ip('address', 'add', addresses[i] ?? '', 'dev', 'eth0');
    await machine.ip('link', 'set', 'eth0', 'up');
  }
  return [a, b];
}

async function reaches(from: Namespace, address: string | null): Promise<void> {
  await eventually(`${address ?? 'nobody'} answers`, PATIENCE_MS, async () =>
    (await pingTimes(from, address ?? '', 1, 200)).length > 0 ? true : undefined,
  );
}

async function membersOf(agent: Agent): Promise<MemberStatus[]> {
  return methods.members.result.parse(JSON.parse(await agent.cli('members', '--json'))).members;
}

/** Whoever is asked: both are there now, in the roles that they have. */
async function listsRightly(t: ExecutionContext, ...agents: readonly Agent[]): Promise<void> {
  for (const agent of agents) {
    const since = Date.now();
    const shown = await eventually('the list has the roles of all', PATIENCE_MS, async () => {
      const members = await membersOf(agent);
      const roles = await Promise.all(agents.map((each) => each.status()));
      const isRight = roles.every(({ hit, role }) => members.some((each) => each.hit === hit && each.role === role));
      return isRight ? members : undefined;
    });
    t.is(shown.length, agents.length);
    const self = (await agent.status()).hit;
    for (const { hit, state, lastSeen } of shown) {
      t.is(state, hit === self ? 'self' : 'linked');
      t.true(lastSeen !== null && lastSeen >= since && lastSeen <= Date.now(), `${String(lastSeen)} of ${hit}`);
    }
  }
}

systemTest('one agent goes into the overlay of a ticket, out of it, and makes one of its own', async (t, lab) => {
  const [a, b] = await twoOnACable(lab);
  const founder = await Agent.start(lab, { namespace: a, name: 'founder', overlay: { create: OVERLAY } });
  // As a service that is started first and told afterwards: it is in an overlay of its own.
  const guest = Agent.launch(lab, { namespace: b, name: 'guest', overlay: 'as before' });
  t.regex((await guest.ready()).overlay ?? '', /\.internal$/);
  const ticket = await founder.invite();
  const joinsAt = Date.now();
  t.regex(await guest.cli('join', ticket), /^in lives\.example as guest\.lives\.example, /);
  const joined = await guest.ready();
  t.is(joined.overlay, OVERLAY);
  await reaches(a, joined.hit);
  await reaches(a, joined.ipv4);
  t.regex(await guest.cli('join', ticket), /^already in lives\.example/);
  await listsRightly(t, founder, guest);
  const refused = await guest.tryCli('create', 'other.example');
  t.is(refused.status, EXIT.configuration);
  t.regex(refused.stderr, /^idloc: this host belongs to lives\.example .*`idloc leave` first\n$/);

  t.regex(await guest.cli('leave'), /^left lives\.example; its files are in /);
  const left = await eventually('the founder is linked with it no more', PATIENCE_MS, async () => {
    const member = (await membersOf(founder)).find(({ hit }) => hit === joined.hit);
    return member?.state === 'seen' ? member : undefined;
  });
  const { lastSeen } = left;
  t.true(lastSeen !== null && lastSeen >= joinsAt && lastSeen <= Date.now(), String(lastSeen));
  t.is((await guest.status()).state, 'left');
  t.notRegex(await b.ip('-brief', 'link'), new RegExp(TUN_NAME));
  t.is((await guest.tryCli('leave')).status, EXIT.failed);
  t.regex(await guest.cli('create', 'other.example'), /^in other\.example as guest\.other\.example, /);
  t.is((await guest.ready()).overlay, 'other.example');
  t.is(await guest.stop(), 0);
});

systemTest(
  'what the overlay agrees on is changed while its agents run: both follow, one that was away too',
  async (t, lab) => {
    const [a, b] = await twoOnACable(lab);
    const founder = await Agent.start(lab, { namespace: a, name: 'founder', overlay: { create: OVERLAY } });
    const guest = await Agent.start(lab, { namespace: b, name: 'guest', overlay: { join: await founder.invite() } });
    const meeting = async (agent: Agent): Promise<unknown> => (await agent.status()).rendezvous;
    const comesTo = (agent: Agent, mode: string): Promise<true> =>
      eventually(`it meets in ${mode}`, PATIENCE_MS, async () =>
        (await agent.status()).rendezvous?.mode === mode ? true : undefined,
      );
    t.deepEqual(await meeting(founder), { mode: 'none', nodes: null });
    // Whose key it is it is told a moment after it has joined.
    const where = `run this where it is (founder@${OVERLAY}), or \`idloc authority import\` it\n`;
    await eventually('it is refused, and told where to run it', PATIENCE_MS, async () => {
      const { status, stderr } = await guest.tryCli('overlay', '--rendezvous', 'mainline');
      t.is(status, EXIT.failed);
      t.true(stderr.startsWith(`idloc: only with the authority's key can ${OVERLAY} be changed: `), stderr);
      return stderr.endsWith(where) ? true : undefined;
    });

    const { stdout, stderr } = await founder.tryCli('overlay', '--rendezvous', 'mainline');
    t.regex(stdout, /^document +number 2, just made$/m);
    t.regex(stderr, /BitTorrent's public DHT.*IP addresses and ports are published/s);
    await comesTo(guest, 'mainline');
    // No node of it is on this cable; but both look for some.
    for (const agent of [founder, guest]) t.deepEqual(await meeting(agent), { mode: 'mainline', nodes: 0 });
    t.regex(await guest.cli('status'), /^meeting +mainline, no node of it answers$/m);

    t.is(await guest.stop(), 0);
    await founder.cli('overlay', '--rendezvous', 'none');
    await founder.cli('overlay', '--certificate-lifetime', '1h');
    t.deepEqual(await meeting(founder), { mode: 'none', nodes: null });
    const back = await guest.startAgain();
    await comesTo(back, 'none');
    await eventually('it has the last document', PATIENCE_MS, async () =>
      /^document +number 4$/m.test(await back.cli('overlay')) ? true : undefined,
    );
    t.deepEqual(await meeting(back), { mode: 'none', nodes: null });
    // For the next life, whether anybody is there to tell it then or not.
    for (const { state } of [founder, back])
      t.regex(readFileSync(join(state, 'overlay.xml'), 'utf8'), /\bsequence="4"/);
    await back.cli('leave');
    const begun = Date.now();
    await back.cli('join', await founder.invite());
    const { expires } = (await back.ready()).membership;
    t.true((expires ?? 0) > begun && (expires ?? 0) <= Date.now() + 3_600_000);
    const again = await founder.startAgain();
    t.regex(await again.cli('overlay'), /^document +number 4$/m);
    await Promise.all([back.stop(), again.stop()]);
  },
);

systemTest('a copy of a running host’s state folder, started elsewhere, says so and stays out', async (t, lab) => {
  const [a, b] = await twoOnACable(lab);
  const c = await lab.namespace('c');
  await lab.cable(a, 'eth1', c, 'eth0');
  await a.ipBatch(['address add 192.168.8.1/24 dev eth1', 'link set eth1 up']);
  await c.ipBatch(['address add 192.168.8.2/24 dev eth0', 'link set eth0 up', 'route add default via 192.168.8.1']);
  const founder = await Agent.start(lab, { namespace: a, name: 'founder', overlay: { create: OVERLAY } });
  const guest = await Agent.start(lab, {
    namespace: b,
    name: 'guest',
    overlay: { join: await founder.invite() },
  });
  const { hit } = await guest.status();
  await founder.ping(hit);
  // Who it knows is on its disk a second later.
  await eventually('it has written whom it knows', PATIENCE_MS, () =>
    existsSync(join(guest.state, 'contacts.json')) ? true : undefined,
  );
  cpSync(guest.state, lab.folder('copy'), { recursive: true, filter: (file) => basename(file) !== 'lock' });
  const copy = Agent.launch(lab, { namespace: c, name: 'copy', overlay: 'as before' });
  const { problem } = await eventually('the copy says that it is one', 2 * PATIENCE_MS, async () => {
    const { status, stdout } = await copy.tryCli('status', '--json');
    const seen = status === 0 ? methods.status.result.parse(JSON.parse(stdout)) : undefined;
    return seen?.problem == null ? undefined : seen;
  });
  t.regex(problem ?? '', /^another agent .*has this host's key.*stays out of the overlay.*new ticket$/);
  t.is(copy.process.stderr.split('the key of this host is used twice').length, 2);
  t.regex(await copy.cli('status'), /^problem +another agent /);
  await reaches(a, hit);
  t.deepEqual((await copy.status()).links, []);
  await Promise.all([copy.stop(), guest.stop(), founder.stop()]);
});

systemTest('an agent that left stays out over a restart, and is made a member again by a word', async (t, lab) => {
  const [a, b] = await twoOnACable(lab);
  const founder = await Agent.start(lab, { namespace: a, name: 'founder', overlay: { create: OVERLAY } });
  const ticket = await founder.invite();
  const guest = await Agent.start(lab, { namespace: b, name: 'guest', overlay: { join: ticket } });
  const { pid, hit } = await guest.status();
  t.is((await guest.tryCli('leave')).status, 0);
  t.is(await guest.stop(), 0);

  const restarted = Agent.launch(lab, { namespace: b, name: 'guest', overlay: { join: ticket } });
  await eventually('it answers', PATIENCE_MS, async () =>
    (await restarted.tryCli('status')).status === 0 ? true : undefined,
  );
  const status = await restarted.status();
  t.is(status.state, 'left');
  t.is(status.hit, hit);
  t.not(status.pid, pid);
  await restarted.cli('join', await founder.invite());
  await reaches(a, (await restarted.ready()).hit);
});

systemTest('with IPv6 switched off before the start, the IPv4 address works, and one line says so', async (t, lab) => {
  const [a, b] = await twoOnACable(lab);
  const founder = await Agent.start(lab, { namespace: a, name: 'founder', overlay: { create: OVERLAY } });
  // As in `all` and as in `default` alone: the interface that the agent makes has it from there.
  for (const switches of [['all', 'default'], ['default']]) {
    for (const which of ['all', 'default'])
      await b.run('sysctl', ['-qw', `net.ipv6.conf.${which}.disable_ipv6=${switches.includes(which) ? 1 : 0}`]);
    const name = `off-${switches.join('-')}`;
    const guest = await Agent.start(lab, { namespace: b, name, overlay: { join: await founder.invite() } });
    const { ipv4 } = await guest.status();
    await reaches(a, ipv4);
    await reaches(b, (await founder.status()).ipv4);
    t.is(guest.process.stderr.split('IPv6 is switched off on this host: only IPv4 addresses work').length, 2);
    t.is(await guest.stop(), 0);
  }
});

systemTest('two hosts on a cable with link-local IPv4 addresses alone find together', async (t, lab) => {
  const [a, b] = await twoOnACable(lab, ['169.254.7.1/16', '169.254.7.2/16']);
  const founder = await Agent.start(lab, { namespace: a, name: 'founder', overlay: { create: OVERLAY } });
  const guest = await Agent.start(lab, { namespace: b, name: 'guest', overlay: { join: await founder.invite() } });
  await reaches(b, (await founder.status()).hit);
  await reaches(a, (await guest.status()).ipv4);
  t.pass();
});

/** A disk of its own for one state folder, which takes what is put there until it is full. */
class SmallDisk {
  readonly path: string;
  private readonly filling: string;

  private constructor(path: string) {
    this.path = path;
    this.filling = join(path, 'filling');
  }

  static async mount(path: string): Promise<SmallDisk> {
    await command('mount', ['-t', 'tmpfs', '-o', 'size=128k,mode=700', 'none', path]);
    return new SmallDisk(path);
  }

  async fill(): Promise<void> {
    await tryCommand('dd', ['if=/dev/zero', `of=${this.filling}`, 'bs=4096']);
  }

  empty(): void {
    rmSync(this.filling);
  }

  async unmount(): Promise<void> {
    await tryCommand('umount', ['--lazy', this.path]);
  }
}

systemTest('a founder whose disk is full refuses newcomers and lives; with room it takes them', async (t, lab) => {
  const [a, b] = await twoOnACable(lab);
  const disk = await SmallDisk.mount(lab.folder('founder'));
  t.teardown(() => disk.unmount());
  const options = { namespace: a, name: 'founder', overlay: { create: OVERLAY } };
  let founder = await Agent.start(lab, options);
  const [first, second] = [await founder.invite(), await founder.invite()];
  await disk.fill();

  const config = join(lab.directory, 'config.toml');
  const state = lab.folder('refused');
  const args = ['up', '--config', config, '--state', state, '--socket', join(lab.directory, 'refused.sock')];
  const refused = await b.tryRun(IDLOC, [...args, '--tun', TUN_NAME, '--join', first], { timeoutMs: 60_000 });
  t.not(refused.status, 0);
  t.regex(refused.stderr, /no space/);
  t.is((await founder.status()).state, 'alone');
  t.is((await founder.status()).unexpectedErrors, 0);

  // Started on the full disk: all that must be read is there.
  await founder.crash();
  founder = await founder.startAgain();
  t.regex(founder.process.stderr, /nothing can be written/);
  t.false(existsSync(join(disk.path, 'lock')) && readdirSync(disk.path).some((name) => name.includes('.tmp')));

  disk.empty();
  const guest = await Agent.start(lab, { namespace: b, name: 'guest', overlay: { join: second } });
  await reaches(a, (await guest.status()).hit);
});
