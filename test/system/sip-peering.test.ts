import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Answer } from 'dns-packet';
import { Agent, TUN_NAME } from '../../scripts/testbed/agent.ts';
import { eventually } from '../../scripts/testbed/command.ts';
import { Kamailio } from '../../scripts/testbed/kamailio.ts';
import type { Lab } from '../../scripts/testbed/lab.ts';
import { useResolver } from '../../scripts/testbed/nat64.ts';
import { Pjsua } from '../../scripts/testbed/phones/pjsua.ts';
import { nameItself } from '../../scripts/testbed/phones/places.ts';
import { Phone } from '../../scripts/testbed/phone.ts';
import { Rtpengine } from '../../scripts/testbed/rtpengine.ts';
import { speechLike, writeWav } from '../../scripts/testbed/speech.ts';
import { type Host, PEER_ADDRESS, twoHomes } from '../../scripts/testbed/topology.ts';
import { hearFromNowOn, rtpComes } from './support/hearing.ts';
import { systemTest } from './support/system-test.ts';

const OVERLAY = 'peering.example';
const DOMAIN = 'elsewhere.example';
const NAME_SERVER = '203.0.113.53';
const SERVER = '203.0.113.50';
const WORLD = '203.0.113.60';
const ATTIC = '203.0.113.70';
/** Nobody has it. */
const DEAD = '203.0.113.99';
const NAME_SERVER_PROGRAM = join(import.meta.dirname, '../../scripts/testbed/name-server.ts');
const GATEWAY_PORT = 5064;
/** Of which a dead server has some. */
const SET_UP_MS = 20_000;

const GATEWAY = `[sip.trunk]\ndomain = "${DOMAIN}"\nopen = true\n`;
const MEMBER = '[sip]\ngateways = ["office", "attic"]\n';

/** By NAPTR, and SRV whose first server is dead. */
function recordsOf(domain: string, server: string, port: number): Answer[] {
  const service = `_sip._udp.${domain}`;
  const srv = (priority: number, target: string, at: number): Answer => ({
    ...{ name: service, type: 'SRV', ttl: 60 },
    data: { priority, weight: 0, port: at, target },
  });
  return [
    {
      ...{ name: domain, type: 'NAPTR', ttl: 60 },
      data: { order: 10, preference: 10, flags: 's', services: 'SIP+D2U', regexp: '', replacement: service },
    },
    srv(10, `dead.${domain}`, 5060),
    srv(20, `sip.${domain}`, port),
    { name: `dead.${domain}`, type: 'A', ttl: 60, data: DEAD },
    { name: `sip.${domain}`, type: 'A', ttl: 60, data: server },
  ];
}

interface Scene {
  readonly office: Agent;
  /** Beside alice's agent. */
  readonly alice: Phone;
  readonly bob: Phone;
  /** zoe@elsewhere.example */
  readonly world: Pjsua;
}

/** Alice and bob behind NATs, two gateways in the open, kamailio as the server of another domain, and a phone behind that. */
async function scene(lab: Lab): Promise<Scene> {
  const homes = await twoHomes(lab);
  const names = await homes.internet.publicHost('names', NAME_SERVER);
  const server = await homes.internet.publicHost('server', SERVER);
  const outside = await homes.internet.publicHost('world', WORLD);
  const attic = await homes.internet.publicHost('attic', ATTIC);
  const file = join(lab.directory, 'records.json');
  writeFileSync(
    file,
    JSON.stringify([...recordsOf(DOMAIN, SERVER, 5060), ...recordsOf(OVERLAY, PEER_ADDRESS, GATEWAY_PORT)]),
  );
  const answering = names.namespace.start(process.execPath, [NAME_SERVER_PROGRAM, NAME_SERVER, file]);
  await answering.waitFor(/ready/, 20_000);
  for (const { namespace } of [server, homes.peer, attic]) useResolver(lab, namespace, NAME_SERVER);
  await Kamailio.peer(lab, server.namespace, {
    ...{ name: 'server', listen: `${SERVER}:5060`, domain: DOMAIN },
  });
  const office = await Agent.start(lab, {
    ...{ namespace: homes.peer.namespace, name: 'office', overlay: { create: OVERLAY }, configuration: GATEWAY },
  });
  await relayFor(lab, homes.peer, 'office');
  const joins = async (name: string, { namespace }: Host, configuration: string): Promise<Agent> =>
    Agent.start(lab, { namespace, name, overlay: { join: await office.invite() }, configuration });
  await joins('attic', attic, GATEWAY);
  await relayFor(lab, attic, 'attic');
  const members = { alice: homes.a, bob: homes.b };
  const speech = join(lab.directory, 'said.wav');
  writeWav(speech, speechLike(40, 6940), 1);
  const phoneOf = async (name: keyof typeof members): Promise<Phone> => {
    const { namespace } = members[name];
    const nameserver = (await (await joins(name, members[name], MEMBER)).status()).dns?.listen;
    const phone = await Phone.start({
      ...{ namespace, directory: lab.folder(`phone-${name}`), addressOfRecord: `${name}@${OVERLAY}` },
      ...{ interfaceName: TUN_NAME, speech, registers: 'any', proxy: OVERLAY, family: 4, codecs: 'PCMU/8000/1' },
      ...(nameserver === undefined ? {} : { nameserver }),
    });
    await phone.registered(10_000);
    return phone;
  };
  nameItself(lab, outside.namespace.name);
  const place = { namespace: outside.namespace, directory: lab.folder('phone-world'), user: 'zoe', domain: DOMAIN };
  const world = await Pjsua.start(
    { ...place, nameserver: NAME_SERVER, ipv6: '', ipv4: WORLD, speech: { wideband: speech, mono: speech, pcmu: '' } },
    { options: ['manual', `proxy=${SERVER}`] },
  );
  const [alice, bob] = await Promise.all([phoneOf('alice'), phoneOf('bob')]);
  return { office, alice, bob, world };
}

/** All agents of the lab write the same file, each as soon as it knows its addresses: the last one's is the newest gateway's. */
async function relayFor(lab: Lab, { namespace, address }: Host, name: string): Promise<void> {
  const written = join(lab.directory, 'rtpengine.conf');
  await eventually(`${name} tells rtpengine of both sides`, 20_000, () => {
    const text = existsSync(written) ? readFileSync(written, 'utf8') : '';
    return Promise.resolve(text.includes(`outside/${address}`) || undefined);
  });
  await Rtpengine.start(lab, namespace, name);
}

/** The caller hears zoe before she answers, by a 183 with SDP. */
async function callZoe(label: string, calling: Phone, world: Pjsua): Promise<void> {
  await calling.dial(`sip:zoe@${DOMAIN}`);
  await world.next(/^INCOMING </, SET_UP_MS);
  world.command('answer 183');
  await calling.next('CALL_PROGRESS', SET_UP_MS);
  await hearFromNowOn(`${label}: before the answer`, [calling]);
  world.command('answer 200');
  await Promise.all([calling.next('CALL_ESTABLISHED', SET_UP_MS), world.established(SET_UP_MS)]);
  await Promise.all([hearFromNowOn(label, [calling]), rtpComes(label, world)]);
}

systemTest(
  'another domain is called, and calls, by NAPTR and SRV whose first server is dead, with early media; the first gateway dies, and the next call goes by the other',
  async (t, lab) => {
    const { office, alice, bob, world } = await scene(lab);
    await callZoe('out', alice, world);
    t.true(world.output.includes(`INCOMING <sip:alice@${OVERLAY}>`));
    await alice.hangUp();
    await world.ended(SET_UP_MS);

    await world.dial(`sip:bob@${OVERLAY}`);
    await Promise.all([bob.next('CALL_ESTABLISHED', SET_UP_MS), world.established(SET_UP_MS)]);
    t.regex(bob.trace, new RegExp(`From: .*<sip:zoe@${DOMAIN}>`));
    await Promise.all([hearFromNowOn('in', [bob]), rtpComes('in', world)]);
    await bob.hangUp();
    await world.ended(SET_UP_MS);

    await office.crash();
    await callZoe('by the other gateway', alice, world);
    t.is(alice.trace.match(/^CSeq: \d+ INVITE\r?\nUser-Agent/gm)?.length, 2, 'one INVITE for each call of hers');
    await world.hangUp();
    await alice.next('CALL_CLOSED', SET_UP_MS);
    await Promise.all([alice.stop(), bob.stop(), world.stop()]);
  },
);
