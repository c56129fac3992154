import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { z } from 'zod';
import {
  Backbone,
  HOME_NAT,
  NO_NAT,
  type AccessNetwork,
  type Dependence,
} from '../../scripts/testbed/access-network.ts';
import { tryCommand } from '../../scripts/testbed/command.ts';
import { Dialogue } from '../../scripts/testbed/dialogue.ts';
import type { Lab } from '../../scripts/testbed/lab.ts';
import { tool } from '../../scripts/testbed/tools.ts';
import type { Host } from '../../scripts/testbed/topology.ts';
import { systemTest } from './support/system-test.ts';

const PROBE = join(import.meta.dirname, '../../scripts/testbed/udp-probe.ts');
/** What does not come in this time on cables of no length does not come. */
const ARRIVAL_MS = 150;

const heardSchema = z.array(z.object({ port: z.number(), from: z.string(), fromPort: z.number(), text: z.string() }));
type Heard = z.infer<typeof heardSchema>;

/** The sockets of one host. */
class Probe {
  readonly address: string;
  private readonly dialogue: Dialogue;

  constructor(host: Host, address: string) {
    this.address = address;
    this.dialogue = new Dialogue(host.namespace.start(process.execPath, [PROBE]));
  }

  async ready(...ports: readonly number[]): Promise<this> {
    await this.dialogue.nextLine(60_000);
    for (const port of ports) await this.dialogue.ask(`bind ${port}`);
    return this;
  }

  async send(port: number, to: string, toPort: number, text = 'x'): Promise<void> {
    await this.dialogue.ask(`send ${port} ${to} ${toPort} ${text}`);
  }

  /** What has come since the last time. */
  async heard(waitMs = ARRIVAL_MS): Promise<Heard> {
    await delay(waitMs);
    return heardSchema.parse(JSON.parse(await this.dialogue.ask('heard')));
  }

  async refused(to: string, port: number): Promise<string | null> {
    return z
      .object({ error: z.string().nullable() })
      .parse(JSON.parse(await this.dialogue.ask(`refused ${to} ${port}`))).error;
  }
}

interface Bench {
  readonly network: AccessNetwork;
  readonly inside: Probe;
  readonly neighbour: Probe;
  readonly first: Probe;
  readonly second: Probe;
  readonly external: string;
}

/** Two hosts behind one router, two public ones; each of these listens on two ports. */
async function bench(lab: Lab): Promise<Bench> {
  const backbone = await Backbone.create(lab);
  const network = await backbone.access('nat', HOME_NAT);
  const [inside, neighbour] = [await backbone.host('inside'), await backbone.host('neighbour')];
  const { address } = await network.plug(inside, 10);
  const { address: other } = await network.plug(neighbour, 11);
  const [first, second] = [await backbone.publicHost('first'), await backbone.publicHost('second')];
  const probes = [
    new Probe(inside, address).ready(5000),
    new Probe(neighbour, other).ready(5000),
    new Probe(first, first.address).ready(1001, 1002),
    new Probe(second, second.address).ready(1001, 1002),
  ] as const;
  const [a, b, c, d] = await Promise.all(probes);
  return { network, inside: a, neighbour: b, first: c, second: d, external: network.external ?? '' };
}

/** By which port the host inside is seen at each of three endpoints. */
async function portsSeen({ inside, first, second }: Bench): Promise<readonly number[]> {
  await inside.send(5000, first.address, 1001);
  await inside.send(5000, first.address, 1002);
  await inside.send(5000, second.address, 1001);
  const atFirst = await first.heard();
  const atSecond = await second.heard(0);
  return [...[1001, 1002].map((port) => atFirst.find((heard) => heard.port === port)), atSecond[0]].map(
    (heard) => heard?.fromPort ?? 0,
  );
}

/** Which of three endpoints outside reach the host inside, once it has sent to the first. */
async function letIn({ inside, first, second, external }: Bench): Promise<readonly string[]> {
  await inside.send(5000, first.address, 1001);
  const [seen] = await first.heard();
  await first.send(1001, external, seen?.fromPort ?? 0, 'same');
  await first.send(1002, external, seen?.fromPort ?? 0, 'port');
  await second.send(1001, external, seen?.fromPort ?? 0, 'address');
  return (await inside.heard()).map(({ text }) => text).sort();
}

const LETS_IN: readonly (readonly [Dependence, readonly string[]])[] = [
  ['independent', ['address', 'port', 'same']],
  ['address', ['port', 'same']],
  ['address-port', ['same']],
];

systemTest('each mapping and filtering of RFC 4787 shows in who sees which port and who gets in', async (t, lab) => {
  const it = await bench(lab);
  for (const mapping of ['independent', 'address', 'address-port'] as const)
    for (const [filtering, wanted] of LETS_IN) {
      await it.network.set({ mapping, filtering });
      await it.network.reboot();
      t.deepEqual(await letIn(it), wanted, `${mapping}, ${filtering}`);
      const [one, otherPort, otherAddress] = await portsSeen(it);
      t.is(one === otherPort, mapping !== 'address-port', mapping);
      t.is(one === otherAddress, mapping === 'independent', mapping);
      t.is(one, 5000, 'the first mapping keeps the port');
    }
  await it.network.set({ mapping: 'independent', ports: 'random' });
  t.not((await portsSeen(it))[0], 5000);
});

systemTest('hairpins, ports that are taken, and what nobody inside asked for', async (t, lab) => {
  const it = await bench(lab);
  const { network, inside, neighbour, first, external } = it;
  await network.set({ filtering: 'independent' });
  await portsSeen(it);
  await neighbour.send(5000, first.address, 1001);
  t.like(await first.heard(), [{ from: external, fromPort: 5001 }], 'the neighbour gets the next port');
  await first.send(1001, external, 5002);
  await inside.send(5000, external, 5001, 'in a loop');
  t.deepEqual(await neighbour.heard(), []);
  await network.set({ hairpin: 'on' });
  await inside.send(5000, external, 5001, 'in a loop');
  t.deepEqual(await neighbour.heard(), [{ port: 5000, from: external, fromPort: 5000, text: 'in a loop' }]);
  const { dropped } = await network.state();
  t.like(dropped, { hairpins: 1, unmapped: 1 });
});

systemTest('mappings end by time and by accident, and packets vanish on command', async (t, lab) => {
  const it = await bench(lab);
  const { network, inside, first, external } = it;
  const reaches = async (port: number): Promise<boolean> => {
    await first.send(1001, external, port);
    return (await inside.heard()).length > 0;
  };
  await portsSeen(it);
  t.true(await reaches(5000));
  await network.reboot();
  t.false(await reaches(5000), 'after a reboot');
  t.is((await portsSeen(it))[0], 5000);
  await network.rebind();
  t.false(await reaches(5000), 'the old port is dead');
  const rebound = (await network.state()).mappings[0]?.external ?? 0;
  t.true(await reaches(rebound), 'the new one is not');
  t.deepEqual(await portsSeen(it), [rebound, rebound, rebound]);
  await network.forget(rebound);
  t.false(await reaches(rebound));
  await t.throwsAsync(network.forget(rebound), { message: /no such mapping/ });

  await network.set({ timeout: 1 });
  const [again = 0] = await portsSeen(it);
  t.true(await reaches(again));
  await delay(1100);
  t.false(await reaches(again), 'a second later');

  for (const [setting, back] of [
    [{ blackhole: 'on' }, { blackhole: 'off' }],
    [{ udp: 'off' }, { udp: 'on' }],
    [{ loss: 100 }, { loss: 0 }],
  ] as const) {
    await network.set(setting);
    t.deepEqual(await portsSeen(it), [0, 0, 0], JSON.stringify(setting));
    await network.set(back);
    t.not((await portsSeen(it))[0], 0);
  }
  await network.set({ mtu: 300 });
  await inside.send(5000, first.address, 1001, 'x'.repeat(272));
  await inside.send(5000, first.address, 1001, 'x'.repeat(273));
  t.deepEqual(
    (await first.heard()).map(({ text }) => text.length),
    [272],
  );
});

systemTest('a delay is one of each way; an error of ICMP finds whom it concerns', async (t, lab) => {
  const it = await bench(lab);
  const { network, inside, first } = it;
  // Nothing has asked for the other's hardware address yet.
  await portsSeen(it);
  t.is(await inside.refused(first.address, 1999), 'ECONNREFUSED');
  await network.set({ delay: 100 });
  const sent = performance.now();
  await inside.send(5000, first.address, 1001);
  t.deepEqual(await first.heard(30), []);
  await eventuallyHeard(t, first);
  t.true(performance.now() - sent >= 100);
});

async function eventuallyHeard(t: ExecutionContext, probe: Probe): Promise<void> {
  for (let i = 0; i < 100; i++) if ((await probe.heard(20)).length > 0) return;
  t.fail('nothing came');
}

systemTest(
  'without NAT a firewall lets in answers, and a plain router everything; strange sources go nowhere',
  async (t, lab) => {
    const backbone = await Backbone.create(lab);
    const network = await backbone.access('router', { mapping: 'none', filtering: 'address-port' });
    const host = await backbone.host('inside');
    const { address } = await network.plug(host);
    const outside = await backbone.publicHost('outside');
    const [inside, first] = await Promise.all([
      new Probe(host, address).ready(5000),
      new Probe(outside, outside.address).ready(1001, 1002),
    ]);
    await first.send(1001, address, 5000);
    t.deepEqual(await inside.heard(), []);
    await inside.send(5000, first.address, 1001);
    t.like(await first.heard(), [{ from: address, fromPort: 5000 }]);
    await first.send(1001, address, 5000, 'answer');
    await first.send(1002, address, 5000, 'something else');
    t.deepEqual(
      (await inside.heard()).map(({ text }) => text),
      ['answer'],
    );
    await network.set(NO_NAT);
    await first.send(1002, address, 5000);
    t.is((await inside.heard()).length, 1);
    await host.namespace.ip('address', 'add', '192.0.2.1/32', 'dev', 'lo');
    await host.namespace.tryRun('ping', ['-c', '1', '-W', '0.2', '-I', '192.0.2.1', first.address]);
    t.is((await network.state()).dropped.unwanted > 0, true);
  },
);

systemTest('settings that make no sense are refused', async (t) => {
  for (const setting of ['mapping=symmetric', 'delay=-1', 'external=here', 'inside=10.0.0.0', 'speed=9'])
    t.is((await tryCommand(await tool('nat_router'), [setting], { timeoutMs: 20_000 })).status, 2, setting);
});
