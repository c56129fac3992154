import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Agent, TUN_NAME } from '../../scripts/testbed/agent.ts';
import { Capture } from '../../scripts/testbed/capture.ts';
import type { Lab, Namespace } from '../../scripts/testbed/lab.ts';
import type { Phone } from '../../scripts/testbed/phone.ts';
import { speechLike, writeWav } from '../../scripts/testbed/speech.ts';
import { OVERLAY, threeHosts } from '../../scripts/testbed/three-hosts.ts';
import { type Place, phoneAt, placesOf } from './support/sip-places.ts';
import { systemTest } from './support/system-test.ts';

const RINGS_WITHIN_MS = 5_000;
/** From a registration to its record in the overlay, which callers read; they remember for a while that there was none. */
const PUBLISHED_MS = 2_500;
const ADAPTOR_PORT = 5_062;
/** RFC 3261 s18.1.1: what is larger may not fit into a datagram. */
const LARGE_BYTES = 1_300;
const SMALL_MTU = 1_280;
const SCENARIO = join(import.meta.dirname, '../../scripts/testbed/sipp/call-large.xml');

/** A call to bob is in its trace, given up because another phone has it (RFC 3326). */
const ELSEWHERE = /CANCEL sip:[\s\S]*?Reason: SIP;cause=200;text="Call completed elsewhere"/;

/** Another host of bob, in the open. */
async function secondHost(lab: Lab, { homes, peer }: Awaited<ReturnType<typeof threeHosts>>): Promise<Place> {
  const { namespace } = await homes.internet.publicHost('second', '203.0.113.40');
  const ticket = (await peer.cli('invite', '--user', 'bob')).trim();
  return { namespace, agent: await Agent.start(lab, { namespace, name: 'second', overlay: { join: ticket } }) };
}

systemTest(
  'three phones of bob on two hosts ring; one answers, and the others are told that it was completed elsewhere',
  async (t, lab) => {
    const hosts = await threeHosts(lab);
    const places = placesOf(hosts);
    const second = await secondHost(lab, hosts);
    const alice = await phoneAt(lab, places.alice, { family: 6 });
    const rings = { family: 6, rings: true, addressOfRecord: `bob@${OVERLAY}` } as const;
    const phones = [
      await phoneAt(lab, places.bob, { ...rings, index: 0 }),
      await phoneAt(lab, places.bob, { ...rings, index: 1 }),
      await phoneAt(lab, second, rings),
    ];
    await delay(PUBLISHED_MS);
    for (const [answering, ...others] of [phones, phones.toReversed()] as [Phone, ...Phone[]][]) {
      await alice.dial(`sip:bob@${OVERLAY}`);
      await Promise.all(phones.map(async (phone) => phone.next('CALL_INCOMING', RINGS_WITHIN_MS)));
      await answering.accept();
      await Promise.all([alice, answering].map(async (phone) => phone.next('CALL_ESTABLISHED', RINGS_WITHIN_MS)));
      await Promise.all(others.map(async (phone) => phone.next('CALL_CLOSED', RINGS_WITHIN_MS)));
      for (const phone of others) t.regex(phone.trace, ELSEWHERE);
      await answering.hangUp();
      await alice.next('CALL_CLOSED', RINGS_WITHIN_MS);
    }
    t.deepEqual(
      phones.map((phone) => phone.count('CALL_ESTABLISHED')),
      [1, 0, 1],
    );
    await Promise.all([alice, ...phones].map(async (phone) => phone.stop()));
  },
);

systemTest('a call to the GRUU of one of two phones of bob rings that one alone', async (t, lab) => {
  const hosts = await threeHosts(lab);
  const places = placesOf(hosts);
  const alice = await phoneAt(lab, places.alice, { family: 6 });
  const rings = { family: 6, rings: true, namesItself: true } as const;
  const [desk, cell] = [
    await phoneAt(lab, places.bob, { ...rings, index: 0 }),
    await phoneAt(lab, places.bob, { ...rings, index: 1 }),
  ];
  const gruusIn = ({ trace }: Phone): string[] =>
    [...trace.matchAll(/pub-gruu="(sip:bob@[^"]+)"/g)].map(([, gruu = '']) => gruu);
  // Who registers is told of all bindings.
  const [first] = gruusIn(desk);
  const second = gruusIn(cell).find((gruu) => gruu !== first);
  await delay(PUBLISHED_MS);
  for (const [phone, gruu] of [
    [desk, first],
    [cell, second],
  ] as const) {
    await alice.dial(gruu ?? '');
    await phone.next('CALL_INCOMING', RINGS_WITHIN_MS);
    await phone.accept();
    await Promise.all([alice, phone].map(async (end) => end.next('CALL_ESTABLISHED', RINGS_WITHIN_MS)));
    await alice.hangUp();
    await Promise.all([alice, phone].map(async (end) => end.next('CALL_CLOSED', RINGS_WITHIN_MS)));
  }
  t.deepEqual(
    [desk, cell].map((phone) => phone.count('CALL_INCOMING')),
    [1, 1],
  );
  await Promise.all([alice, desk, cell].map(async (phone) => phone.stop()));
});

/** What a program of a few lines asks of the adaptor beside it. @returns the final response */
async function ask(namespace: Namespace, own: string, request: (via: string) => string[]): Promise<string> {
  const port = 5_098;
  const text = [...request(`SIP/2.0/UDP [${own}]:${port};branch=z9hG4bK${Date.now()};rport`), '', ''].join('\r\n');
  const script = `const s = require('dgram').createSocket('udp6');
s.on('message', (bytes) => { const text = String(bytes); if (/^SIP\\/2.0 [2-6]/.test(text)) { console.log(text); process.exit(); } });
s.bind(${port}, '${own}', () => s.send(${JSON.stringify(text)}, ${ADAPTOR_PORT}, '${own}'));`;
  return namespace.run(process.execPath, ['-e', script], { timeoutMs: 10_000 });
}

systemTest('OPTIONS to an address of record is answered by a phone of it, with what that phone can', async (t, lab) => {
  const hosts = await threeHosts(lab);
  const places = placesOf(hosts);
  const bob = await phoneAt(lab, places.bob, { family: 6 });
  await delay(PUBLISHED_MS);
  const { hit } = await hosts.alice.status();
  const answer = await ask(places.alice.namespace, hit, (via) => [
    `OPTIONS sip:bob@${OVERLAY} SIP/2.0`,
    `Via: ${via}`,
    'Max-Forwards: 70',
    `From: <sip:alice@${OVERLAY}>;tag=1`,
    `To: <sip:bob@${OVERLAY}>`,
    'Call-ID: what-can-you-do',
    'CSeq: 1 OPTIONS',
    'Accept: application/sdp',
    'Content-Length: 0',
  ]);
  t.regex(answer, /^SIP\/2\.0 200 /);
  t.regex(answer, /^Allow: .*INVITE/m);
  t.regex(answer, /baresip/);
  await bob.stop();
});

systemTest(
  'an INVITE that a phone sends in fragments is put together, and goes on by TCP between the adaptors',
  async (t, lab) => {
    const hosts = await threeHosts(lab);
    const places = placesOf(hosts);
    const { namespace } = places.alice;
    const { ipv4 } = await hosts.alice.status();
    await namespace.ip('link', 'set', 'lo', 'mtu', String(SMALL_MTU));
    // What sipp offers is narrow, and baresip wants a file with as many channels.
    const speech = join(lab.directory, 'mono.wav');
    writeWav(speech, speechLike(20, 6940), 1);
    const bob = await phoneAt(lab, places.bob, { family: 4, codecs: 'PCMU/8000/1', speech });
    await delay(PUBLISHED_MS);
    const captured = async (name: string, filter: string): Promise<Capture> =>
      Capture.start(namespace, name, join(lab.directory, `${name}.pcapng`), filter);
    const own = await captured('lo', `host ${ipv4 ?? ''}`);
    const between = await captured(TUN_NAME, `port ${ADAPTOR_PORT}`);
    const subject = 'large '.repeat(LARGE_BYTES / 4);
    const { status, stdout, stderr } = await namespace.tryRun(
      'sipp',
      [
        ...['-sf', SCENARIO, `${ipv4 ?? ''}:${ADAPTOR_PORT}`, '-i', ipv4 ?? '', '-p', '5060', '-nostdin'],
        ...['-s', 'bob', '-key', 'caller', 'alice', '-key', 'domain', OVERLAY, '-key', 'subject', subject],
        ...['-m', '1', '-d', '500', '-timeout', '20'],
      ],
      { timeoutMs: 30_000 },
    );
    t.is(status, 0, `${stderr}\n${stdout.slice(-1_000)}`);
    t.true(bob.trace.includes(`Subject: ${subject.trim()}`), 'whole');
    const fragments = await own.fields('ip.flags.mf == 1', ['frame.number']);
    t.true(fragments.length > 0, 'in fragments');
    const invites = await between.fields('sip.Method == "INVITE"', ['tcp.srcport', 'udp.srcport']);
    t.true(invites.length > 0);
    for (const found of invites) t.is(found['udp.srcport'], '');
    await bob.stop();
  },
);
