import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { Agent } from '../../scripts/testbed/agent.ts';
import { eventually } from '../../scripts/testbed/command.ts';
import { homesOnly } from '../../scripts/testbed/homes-only.ts';
import type { Lab, Namespace } from '../../scripts/testbed/lab.ts';
import { parseRunbook } from '../../scripts/testbed/runbook.ts';
import type { RunbookSection } from '../../scripts/testbed/runbook.ts';
import { Internet } from '../../scripts/testbed/topology.ts';
import { methods } from '../../src/control/schemas.ts';
import type { Result } from '../../src/control/schemas.ts';
import { systemTest } from './support/system-test.ts';

const GUIDE = join(import.meta.dirname, '../../docs/operations.md');
const SERVICE = /^systemctl (restart|stop|start) idloc$/;
const TICKET_TIMEOUT_MS = 60_000;
/** What a command refers to may be under way still, as it would be for whoever types faster than the overlay settles. */
const PATIENCE_MS = 20_000;
/** A newcomer takes its place in the ring after ten to twenty seconds. */
const PEER_TIMEOUT_MS = 30_000;

/** The hosts of one section, with an agent each that runs as the service does, and what is typed at them. */
class Machines {
  private readonly lab: Lab;
  private readonly internet: Internet;
  private readonly placed: ReadonlyMap<string, Namespace>;
  private readonly configurations = new Map<string, string>();
  private readonly files: string;
  readonly agents = new Map<string, Agent>();
  private ticket = '';
  /** The name of the ticket that was listed first. */
  private ticketId = '';
  private hosts = 0;

  constructor(lab: Lab, internet: Internet, placed: ReadonlyMap<string, Namespace>, configuration: string | undefined) {
    this.lab = lab;
    this.internet = internet;
    this.placed = placed;
    this.files = lab.folder('files');
    if (configuration !== undefined)
      for (const host of placed.keys()) this.configure(host, readFileSync(configuration, 'utf8'));
  }

  agent(host: string): Agent {
    const agent = this.agents.get(host);
    if (agent === undefined) throw new Error(`no agent runs on ${host}`);
    return agent;
  }

  /** Beside what the host has been told already. */
  configure(host: string, text: string): void {
    const path = join(this.lab.folder('etc'), `${host}.toml`);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text, { flag: 'a' });
    this.configurations.set(host, path);
  }

  async type(host: string, command: string): Promise<void> {
    if (!this.agents.has(host)) await this.start(host);
    const [, verb] = SERVICE.exec(command) ?? [];
    if (verb !== undefined) {
      if (verb !== 'start') await this.agent(host).stop();
      if (verb !== 'stop') await this.start(host);
      return;
    }
    const typed = command.replaceAll('TICKET', this.ticket).replace(/\bID\b/, this.ticketId);
    const stdout = await eventually(`${host}# ${command}`, PATIENCE_MS, async () => {
      const result = await this.agent(host).shell(typed, this.files);
      if (result.status === 0) return result.stdout;
      if (/try again/.test(result.stderr)) return undefined;
      throw new Error(`${host}# ${command}: ${String(result.status)}: ${result.stderr.trim()}`);
    });
    if (/^idloc invite\b/.test(command)) this.ticket = stdout.trim();
    // Below the heading the latest comes first.
    if (command === 'idloc tickets') this.ticketId = /^[0-9a-f]{8}\b/m.exec(stdout)?.[0] ?? '';
    if (/^idloc (join|create)\b/.test(command)) await this.agent(host).ready(TICKET_TIMEOUT_MS);
  }

  async members(host: string): Promise<Result<'members'>['members']> {
    return methods.members.result.parse(JSON.parse(await this.agent(host).cli('members', '--json'))).members;
  }

  private async start(host: string): Promise<void> {
    const namespace = this.placed.get(host) ?? (await this.placePublic(host));
    const configuration = this.configurations.get(host);
    const agent = Agent.launch(this.lab, {
      namespace,
      name: host,
      overlay: 'as before',
      arguments: configuration === undefined ? [] : ['--config', configuration],
    });
    this.agents.set(host, agent);
    await agent.ready(TICKET_TIMEOUT_MS);
  }

  private namespaces = new Map<string, Namespace>();

  private async placePublic(host: string): Promise<Namespace> {
    const known = this.namespaces.get(host);
    if (known !== undefined) return known;
    this.hosts += 1;
    const { namespace } = await this.internet.publicHost(host, `203.0.113.${100 + this.hosts}`);
    this.namespaces.set(host, namespace);
    return namespace;
  }
}

async function machinesFor(title: string, lab: Lab): Promise<Machines> {
  if (title !== 'Two homes') return new Machines(lab, await Internet.create(lab), new Map(), undefined);
  const { internet, a, b, configuration } = await homesOnly(lab);
  const placed = new Map([
    ['alice', a.namespace],
    ['bob', b.namespace],
  ]);
  return new Machines(lab, internet, placed, configuration);
}

type Check = (t: ExecutionContext, machines: Machines) => Promise<void>;

/** Certificates of the overlay whose founder is lost: so that one is renewed without it while the test waits. */
const SHORT_LIFETIME_S = 60;

/** What is true when a section was followed. */
const OUTCOMES: Readonly<Record<string, Check>> = {
  'Two homes': async (t, machines) => {
    // alice has just been started again.
    await eventually('bob reaches alice directly', TICKET_TIMEOUT_MS, async () => {
      const { status, stdout } = await machines.agent('bob').tryCli('ping', 'alice.home.example', '--json');
      return status === 0 && (JSON.parse(stdout) as Result<'ping'>).direct ? true : undefined;
    });
    t.deepEqual(await usersOf(machines, 'bob'), ['alice', 'bob']);
  },
  'A company of 50': async (t, machines) => {
    const all = ['desk1', 'desk2', 'hq', 'laptop', 'reception'];
    // desk3 tells the overlay its new name itself.
    await eventually('laptop sees the new name', PATIENCE_MS, async () =>
      (await usersOf(machines, 'laptop')).join() === all.join() ? true : undefined,
    );
    t.deepEqual(await usersOf(machines, 'laptop'), all);
    const inviters = (await machines.members('desk2')).filter(({ inviter }) => inviter);
    t.deepEqual(inviters.map(({ user }) => user?.split('@')[0]).sort(), ['desk1', 'hq']);
    // They came with public addresses.
    for (const [host, agent] of machines.agents)
      await eventually(`${host} is a peer`, PEER_TIMEOUT_MS, async () =>
        (await agent.status()).role === 'peer' ? true : undefined,
      );
  },
  'Moving the founder': async (t, machines) => {
    // The overlay tells, from which `old` has just gone: a moment later also who may invite now.
    let told = '';
    const expected = 'new invites, third';
    await eventually('third sees itself, and that new invites', PATIENCE_MS, async () => {
      const living = (await machines.members('third')).filter(({ state }) => state !== 'revoked');
      const others = living.map(({ user, inviter }) => `${user?.split('@')[0]}${inviter ? ' invites' : ''}`);
      told = others
        .filter((member) => !member.startsWith('old'))
        .sort()
        .join(', ');
      return told === expected || undefined;
    }).catch(() => undefined);
    t.is(told, expected);
  },
  'Losing the founder': async (t, machines) => {
    // It may hear of it a moment after the command on deputy has ended.
    const members = await eventually('fresh sees temp revoked', PATIENCE_MS, async () => {
      const all = await machines.members('fresh');
      return all.some(({ user, state }) => user === 'temp@lost.example' && state === 'revoked') ? all : undefined;
    });
    t.is(members.filter(({ state }) => state === 'revoked').length, 1);
    t.true(members.some(({ user, state }) => user === 'fresh@lost.example' && state !== 'revoked'));
    t.false(machines.agent('founder').process.alive);
    const { hit } = await machines.agent('deputy').status();
    t.is((await machines.agent('fresh').resolve('deputy.lost.example')).hit, hit);
    const expiresAt = async (): Promise<number> =>
      (await machines.members('fresh')).find(({ user }) => user === 'fresh@lost.example')?.expires ?? 0;
    const before = await expiresAt();
    await eventually('the certificate of fresh is renewed', SHORT_LIFETIME_S * 1_000, async () =>
      (await expiresAt()) > before ? true : undefined,
    );
  },
  'What all agree on': async (t, machines) => {
    const overlayOn = async (host: string): Promise<Result<'overlay'>> =>
      methods.overlay.result.parse(JSON.parse(await machines.agent(host).cli('overlay', '--json')));
    await eventually('desk has the last document', PATIENCE_MS, async () =>
      (await overlayOn('desk')).sequence === 4 ? true : undefined,
    );
    const agreed = { sequence: 4, rendezvous: 'none', certificateLifetimeS: 90 * 86_400 } as const;
    t.like(await overlayOn('desk'), { ...agreed, hasAuthority: false });
    t.like(await overlayOn('hq'), { ...agreed, hasAuthority: true });
  },
  Renewing: async (t, machines) => {
    const [member] = await machines.members('hq');
    const leftDays = ((member?.expires ?? 0) - Date.now()) / 86_400_000;
    t.true(leftDays > 364 && leftDays <= 365, `${leftDays} days`);
  },
  Revoking: async (t, machines) => {
    const members = await machines.members('hq');
    t.is(members.find(({ user }) => user === 'carol@revoke.example')?.state, 'revoked');
    const daves = members.filter(({ user }) => user === 'dave@revoke.example');
    t.is(daves.filter(({ state }) => state === 'revoked').length, 1);
    t.is(daves.length, 2);
    t.is((await machines.agent('hq').cli('tickets', '--json')).trim(), '{"tickets":[]}');
    const { hit } = await machines.agent('dave2').status();
    t.is((await machines.agent('hq').resolve('dave.revoke.example')).hit, hit);
  },
  'A host of another overlay': async (t, machines) => {
    const { overlay, name } = await machines.agent('guest').status();
    t.deepEqual([overlay, name], ['theirs.example', 'guest.theirs.example']);
    t.is((await machines.agent('host').status()).state, 'left');
  },
};

async function usersOf(machines: Machines, host: string): Promise<string[]> {
  const members = (await machines.members(host)).filter(({ state }) => state !== 'revoked');
  return members.map(({ user }) => user?.split('@')[0] ?? '').sort();
}

const sections: readonly RunbookSection[] = parseRunbook(readFileSync(GUIDE, 'utf8'));

for (const { title, steps } of sections)
  systemTest(`docs/operations.md, "${title}": every command works as the page says`, async (t, lab) => {
    const machines = await machinesFor(title, lab);
    if (title === 'Losing the founder') machines.configure('founder', `certificate_lifetime = ${SHORT_LIFETIME_S}\n`);
    for (const step of steps) {
      if (step.type === 'configuration') machines.configure(step.host, step.text);
      else await t.notThrowsAsync(machines.type(step.host, step.command), `line ${step.line}: ${step.command}`);
    }
    await (OUTCOMES[title] ?? missing)(t, machines);
  });

function missing(t: ExecutionContext): Promise<void> {
  t.fail('nothing says what is true when this section was followed');
  return Promise.resolve();
}
