import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Agent, TUN_NAME } from '../../scripts/testbed/agent.ts';
import { Capture } from '../../scripts/testbed/capture.ts';
import { eventually } from '../../scripts/testbed/command.ts';
import { Kamailio } from '../../scripts/testbed/kamailio.ts';
import type { Lab } from '../../scripts/testbed/lab.ts';
import type { Phone } from '../../scripts/testbed/phone.ts';
import { Rtpengine } from '../../scripts/testbed/rtpengine.ts';
import { type Host, PEER_ADDRESS } from '../../scripts/testbed/topology.ts';
import { methods } from '../../src/control/schemas.ts';
import { makeAuthority } from '../native/support/named-certificate.ts';
import { systemTest } from './support/system-test.ts';
import { NUMBER, PASSWORD, PROVIDER, TrunkPlaces, WORLD } from './support/trunk-places.ts';

const OVERLAY = 'secure.example';
const DOMAIN = 'provider.example';
const TALK_MS = 3_000;
/** Of both phones: then what rtpengine sends on is what it got, but for its encryption. */
const CODEC = 'PCMU/8000/1';
/** RFC 3550 s5.1; RFC 3551: 20 ms of PCMU. */
const RTP_HEADER_BYTES = 12;
const VOICE_BYTES = 160;
/** A registration that has failed is tried again after 15 to 30 s, then 30 to 60. */
const AGAIN_MS = 120_000;

interface Pair {
  readonly certificates: string;
  readonly key: string;
}

interface Scene {
  readonly places: TrunkPlaces;
  /** It has the provider's address. */
  readonly impostor: Kamailio;
  readonly gateway: Agent;
  readonly box: Host;
  readonly alice: Phone;
}

/** Alice behind a NAT, the gateway in the open, and an impostor in the place of its provider. */
async function scene(lab: Lab, authority: string, other: Pair): Promise<Scene> {
  const places = await TrunkPlaces.of(lab, OVERLAY, 1);
  const impostor = await startProvider(places, 'impostor', other);
  const ca = join(lab.directory, 'authority.pem');
  writeFileSync(ca, authority);
  const gateway = await places.gateway(`
domain = "${DOMAIN}"
server = "${PROVIDER}"
transport = "tls"
media = "srtp"
ca_file = "${ca}"
`);
  const member = await places.member('alice', places.homes.a, gateway);
  const alice = await places.phone('alice', member, { codecs: CODEC });
  return { places, impostor, gateway, box: places.homes.peer, alice };
}

/** A phone of the world, with SRTP or without. */
function worldPhone({ places }: Scene, encrypts: boolean): Promise<Phone> {
  return places.worldPhone(`phone-world-${encrypts}`, { codecs: CODEC, encrypts });
}

async function trunkOf(gateway: Agent): Promise<string> {
  const trunk = (await gateway.status()).sip?.trunk;
  return trunk === undefined || trunk === null ? '' : `${trunk.state}: ${trunk.why ?? ''}`;
}

async function startProvider(
  { lab, provider }: TrunkPlaces,
  name: string,
  { certificates, key }: Pair,
): Promise<Kamailio> {
  const files = { certificate: join(lab.directory, `${name}.pem`), key: join(lab.directory, `${name}-key.pem`) };
  writeFileSync(files.certificate, certificates);
  writeFileSync(files.key, key);
  return Kamailio.provider(lab, provider.namespace, {
    ...{ name, listen: `${PROVIDER}:5060`, domain: DOMAIN, user: 'line7', password: PASSWORD },
    ...{ numbers: [NUMBER], world: `zoe@${WORLD}:5060`, tls: { ...files, listen: `${PROVIDER}:5061` } },
  });
}

systemTest(
  'over TLS and SRTP a gateway and its provider carry calls both ways, and the wire shows neither signalling nor voice; a call outlives either of them; another certificate, and media in clear, are refused',
  async (t, lab) => {
    const authority = await makeAuthority();
    const all = await scene(lab, authority.certificate, await authority.issue(['other.example']));
    const { impostor, gateway, box, alice } = all;

    const wrong = `its certificate is of other.example, not of ${PROVIDER} or ${DOMAIN}`;
    await eventually('the gateway sees who it is', AGAIN_MS, async () =>
      (await trunkOf(gateway)).includes(wrong) ? true : undefined,
    );
    t.is(await trunkOf(gateway), `failed: ${PROVIDER}:5061: ${wrong}`);
    t.true((await gateway.cli('status')).includes(wrong));
    const findings = methods.doctor.result.parse(JSON.parse(await gateway.cli('doctor', 'sip', '--json'))).findings;
    const [ofTrunk] = findings.filter(({ id }) => id === 'trunk');
    t.true(ofTrunk?.what.includes(wrong));
    t.true(ofTrunk?.mend.includes('sip.trunk.tls_name'));
    const ofRelay = findings.filter(({ id }) => id === 'media-relay');
    t.deepEqual(
      ofRelay.map(({ what }) => what),
      ['rtpengine does not answer at 127.0.0.1:6085, and sip.trunk.media = "srtp" needs it'],
    );
    await impostor.stop();

    let provider = await startProvider(all.places, 'provider', await authority.issue([DOMAIN]));
    const registered = async (): Promise<boolean> =>
      eventually('the gateway is registered', AGAIN_MS, async () =>
        (await trunkOf(gateway)) === 'registered: ' ? true : undefined,
      );
    await registered();
    const written = join(lab.directory, 'rtpengine.conf');
    await eventually('the gateway tells rtpengine of both sides', 20_000, () => {
      const text = existsSync(written) ? readFileSync(written, 'utf8') : '';
      return Promise.resolve(text.includes(`outside/${PEER_ADDRESS}`) || undefined);
    });
    await Rtpengine.start(lab, box.namespace);
    let world = await worldPhone(all, true);

    const wire = await Capture.start(
      ...([box.namespace, box.interfaceName, join(lab.directory, 'wire.pcapng')] as const),
      `host ${PROVIDER} or host ${WORLD}`,
    );
    const inside = await Capture.start(box.namespace, TUN_NAME, join(lab.directory, 'inside.pcapng'), 'udp');
    await eventually('the gateway serves', 30_000, async () => {
      await alice.dial(`sip:030987654@${OVERLAY}`);
      return alice.next('CALL_ESTABLISHED', 3_000).then(
        () => true,
        () => undefined,
      );
    });
    await world.next('CALL_ESTABLISHED', 5_000);
    await delay(TALK_MS);
    await alice.hold();
    await delay(500);
    await alice.resume();
    await delay(500);
    t.is(world.count('CALL_CLOSED'), 0, 'held and resumed');
    await alice.hangUp();
    await world.next('CALL_CLOSED', 5_000);
    const heard = [alice.loudnessHeard(), world.loudnessHeard()];
    t.true(
      heard.every((loudness) => loudness > 0.02),
      `out: ${heard.join(' ')}`,
    );

    await world.dial(`sip:${NUMBER}@${PROVIDER}`);
    await Promise.all([alice.next('CALL_ESTABLISHED', 5_000), world.next('CALL_ESTABLISHED', 5_000)]);
    await delay(TALK_MS);
    await world.hangUp();
    await alice.next('CALL_CLOSED', 5_000);
    const again = [alice.loudnessHeard(), world.loudnessHeard()];
    t.true(
      again.every((loudness) => loudness > 0.02),
      `in: ${again.join(' ')}`,
    );
    t.regex(world.trace, /m=audio \d+ RTP\/SAVP 0/);
    t.false(alice.trace.includes('a=crypto'), 'the phone of the member is told no keys');

    const signalling = await wire.fields(`ip.addr == ${PROVIDER} && ip.addr == ${PEER_ADDRESS}`, [
      'udp.length',
      'tcp.port',
    ]);
    t.true(signalling.length > 20, 'the wire has signalling');
    t.deepEqual(
      signalling.filter((packet) => packet['udp.length'] !== ''),
      [],
      'none of it is in datagrams',
    );
    t.deepEqual(await wire.fields('sip && tcp', ['frame.number']), [], 'nor in TCP as it is');
    const media = await wire.fields(`udp && ip.addr == ${WORLD} && ip.addr == ${PEER_ADDRESS}`, [
      'ip.src',
      'udp.payload',
    ]);
    const voice = media.filter(
      (packet) => (packet['udp.payload'] ?? '').length >= 2 * (RTP_HEADER_BYTES + VOICE_BYTES),
    );
    for (const source of [PEER_ADDRESS, WORLD])
      t.true(voice.filter((packet) => packet['ip.src'] === source).length > 100, `voice of ${source}`);
    const plainLength = 2 * (RTP_HEADER_BYTES + VOICE_BYTES);
    t.is(voice.filter((packet) => packet['udp.payload']?.length === plainLength).length, 0, 'all are longer by a tag');
    const told = (await inside.fields('udp', ['udp.payload'])).map((packet) => packet['udp.payload']).join(' ');
    t.true(told.length > 200 * plainLength, 'the overlay has them in plain');
    const seen = voice.filter((packet) => {
      const payload = packet['udp.payload'] ?? '';
      return told.includes(payload.slice(2 * RTP_HEADER_BYTES, plainLength));
    });
    t.is(seen.length, 0, 'none is on the wire as it is in the overlay');

    // The provider is started anew in a call: the call goes on, and ends as one.
    await alice.dial(`sip:030987654@${OVERLAY}`);
    await Promise.all([alice.next('CALL_ESTABLISHED', 5_000), world.next('CALL_ESTABLISHED', 5_000)]);
    await provider.stop();
    provider = await startProvider(all.places, 'provider', await authority.issue([DOMAIN]));
    await eventually('the gateway has a new connection', AGAIN_MS, async () => {
      const { stdout } = await all.places.provider.namespace.tryRun('ss', [
        '-Htn',
        'state',
        'established',
        'sport = :5061',
      ]);
      return stdout.includes(PEER_ADDRESS) || undefined;
    });
    await registered();
    await delay(1_000);
    await world.hangUp();
    await alice.next('CALL_CLOSED', 10_000);

    // So does one in which the gateway's agent is killed: by the connection of its next life.
    await alice.dial(`sip:030987654@${OVERLAY}`);
    await Promise.all([alice.next('CALL_ESTABLISHED', 5_000), world.next('CALL_ESTABLISHED', 5_000)]);
    await delay(TALK_MS);
    const closed = [alice.count('CALL_CLOSED'), world.count('CALL_CLOSED')];
    await gateway.crash();
    const nextLife = await gateway.startAgain();
    await eventually('the next life is registered', AGAIN_MS, async () =>
      (await trunkOf(nextLife)) === 'registered: ' ? true : undefined,
    );
    await alice.hold();
    await delay(500);
    await alice.resume();
    await delay(500);
    t.deepEqual([alice.count('CALL_CLOSED'), world.count('CALL_CLOSED')], closed, 'held and resumed once more');
    await world.hangUp();
    await alice.next('CALL_CLOSED', 20_000);

    await world.stop();
    world = await worldPhone(all, false);
    await world.dial(`sip:${NUMBER}@${PROVIDER}`);
    t.regex(await world.next('CALL_CLOSED', 5_000), /488 Media Not Encrypted by Provider/);
    await Promise.all([alice.stop(), world.stop()]);
    await provider.stop();
  },
);
