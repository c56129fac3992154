import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { Agent, IDLOC, TUN_NAME } from '../../scripts/testbed/agent.ts';
import { command } from '../../scripts/testbed/command.ts';
import type { Lab, Namespace } from '../../scripts/testbed/lab.ts';
import { Internet, PEER_ADDRESS } from '../../scripts/testbed/topology.ts';
import { EXIT } from '../../src/cli/exit-status.ts';
import { systemTest } from './support/system-test.ts';

/** Well above a start, well below patience: an agent that should have refused and runs is stopped. */
const REFUSAL_MS = 15_000;

interface Refusal {
  readonly lab: Lab;
  readonly namespace: Namespace;
  readonly state: string;
  /** Of `idloc up`, beside state, socket and TUN. */
  readonly arguments?: readonly string[];
  readonly config?: string;
  /** A program that runs the agent: with fewer privileges, without a device. */
  readonly wrapper?: readonly string[];
  /** The line has to say this. */
  readonly says: RegExp;
  /** src/cli/exit-status.ts: whether starting it again may help. */
  readonly status: number;
}

/** Every file of a folder with what is in it. */
function contents(folder: string): Record<string, string> {
  if (!existsSync(folder)) return {};
  return Object.fromEntries(
    readdirSync(folder).map((name) => [
      name,
      createHash('sha256')
        .update(readFileSync(join(folder, name)))
        .digest('hex'),
    ]),
  );
}

/** `idloc up` ends with one line, and leaves no socket, no interface and no half-written file. */
async function refuses(t: ExecutionContext, refusal: Refusal): Promise<void> {
  const { lab, namespace, state } = refusal;
  const before = contents(state);
  const config = join(lab.directory, 'refused.toml');
  writeFileSync(config, refusal.config ?? '');
  const socket = join(lab.directory, 'refused.sock');
  const [program = '', ...args] = [
    ...(refusal.wrapper ?? []),
    ...[IDLOC, 'up', '--config', config, '--state', state, '--socket', socket, '--tun', TUN_NAME, '--name', 'x'],
    ...(refusal.arguments ?? ['--create', 'bad-input.example']),
  ];
  const { status, stdout, stderr } = await namespace.tryRun(program, args, { timeoutMs: REFUSAL_MS });
  // Events of the log are JSON; what is for people is not.
  const lines = stderr.split('\n').filter((line) => line !== '' && !line.startsWith('{'));
  t.is(status, refusal.status, stderr);
  t.is(stdout, '');
  t.is(lines.length, 1, stderr);
  t.regex(lines[0] ?? '', /^idloc: /);
  t.regex(lines[0] ?? '', refusal.says);
  t.false(existsSync(socket));
  t.notRegex(await namespace.ip('-brief', 'link'), new RegExp(TUN_NAME));
  const after = contents(state);
  for (const [name, hash] of Object.entries(before)) t.is(after[name], hash, `${name} was changed`);
  for (const name of Object.keys(after)) t.notRegex(name, /tmp|~$|\.new/, 'half-written');
}

async function host(lab: Lab): Promise<Namespace> {
  const internet = await Internet.create(lab);
  return (await internet.publicHost('host', PEER_ADDRESS)).namespace;
}

systemTest('a broken ticket is refused in one line, whether garbage, cut or altered', async (t, lab) => {
  const namespace = await host(lab);
  const agent = await Agent.start(lab, { namespace, name: 'founder', overlay: { create: 'bad-input.example' } });
  const ticket = await agent.invite();
  await agent.stop();
  const middle = Math.floor(ticket.length / 2);
  const altered = ticket.slice(0, middle) + (ticket[middle] === 'A' ? 'B' : 'A') + ticket.slice(middle + 1);
  for (const broken of ['', 'x', 'not a ticket', ticket.slice(0, -5), altered, `${ticket}AAAA`])
    await refuses(t, {
      ...{ lab, namespace, state: join(lab.directory, 'newcomer') },
      arguments: ['--join', broken],
      says: /ticket/i,
      status: EXIT.membership,
    });
});

systemTest('a broken configuration file is refused in one line that names what is wrong', async (t, lab) => {
  const namespace = await host(lab);
  for (const [config, says] of [
    ['listen = [\n', /refused\.toml/],
    ['nonsense = 1\n', /nonsense/],
    ['listen = "everywhere"\n', /listen/],
    ['\u0000\u0001\u0002', /refused\.toml/],
  ] as const)
    await refuses(t, { lab, namespace, state: join(lab.directory, 'fresh'), config, says, status: EXIT.configuration });
});

systemTest('a broken or unsafe key file is refused in one line and left as it is', async (t, lab) => {
  const namespace = await host(lab);
  const state = join(lab.directory, 'kept');
  await command(IDLOC, ['init', '--state', state]);
  const key = join(state, 'identity.pem');
  const good = readFileSync(key);
  for (const broken of [Buffer.alloc(0), good.subarray(0, good.length / 2), Buffer.from('garbage\n')]) {
    writeFileSync(key, broken);
    await refuses(t, { lab, namespace, state, says: /identity\.pem/, status: EXIT.membership });
  }
  writeFileSync(key, good);
  await command('chmod', ['644', key]);
  await refuses(t, { lab, namespace, state, says: /identity\.pem/, status: EXIT.membership });
});

systemTest('an occupied port is refused in one line that names it', async (t, lab) => {
  const namespace = await host(lab);
  const program = "require('dgram').createSocket('udp6').bind(6084, '::', () => console.log('bound'))";
  const occupant = namespace.start(process.execPath, ['-e', program]);
  await occupant.waitFor(/bound/, 10_000);
  await refuses(t, { lab, namespace, state: join(lab.directory, 'fresh'), says: /6084/, status: EXIT.failed });
});

systemTest('without /dev/net/tun the agent ends with one line that says so', async (t, lab) => {
  const namespace = await host(lab);
  // A mount namespace with an empty folder in the place of the devices.
  const hidden = ['unshare', '--mount', 'sh', '-c', 'mount -t tmpfs none /dev/net && exec "$@"', 'sh'];
  await refuses(t, {
    lab,
    namespace,
    state: join(lab.directory, 'fresh'),
    wrapper: hidden,
    says: /\/dev\/net\/tun/,
    status: EXIT.failed,
  });
});

systemTest(
  'without the privilege to make an interface the agent ends with one line that says which',
  async (t, lab) => {
    const namespace = await host(lab);
    const unprivileged = ['setpriv', '--bounding-set=-net_admin', '--inh-caps=-net_admin', '--'];
    await refuses(t, {
      lab,
      namespace,
      state: join(lab.directory, 'fresh'),
      wrapper: unprivileged,
      says: /CAP_NET_ADMIN/i,
      status: EXIT.configuration,
    });
  },
);

systemTest('a state folder that cannot be written is refused in one line', async (t, lab) => {
  const namespace = await host(lab);
  const file = join(lab.directory, 'file');
  mkdirSync(lab.directory, { recursive: true });
  writeFileSync(file, '');
  const { status, stderr } = await namespace.tryRun(IDLOC, ['init', '--state', join(file, 'state')]);
  t.is(status, EXIT.membership);
  t.regex(stderr, /^idloc: [^\n]+\n$/);
});
