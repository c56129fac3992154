import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { TUN_NAME } from '../../scripts/testbed/agent.ts';
import { Capture } from '../../scripts/testbed/capture.ts';
import { eventually } from '../../scripts/testbed/command.ts';
import type { Lab } from '../../scripts/testbed/lab.ts';
import { Linphone } from '../../scripts/testbed/linphone.ts';
import { useResolver } from '../../scripts/testbed/nat64.ts';
import type { Phone } from '../../scripts/testbed/phone.ts';
import { compareDirections, rtpPackets } from '../../scripts/testbed/rtp-stream.ts';
import { OVERLAY, threeHosts } from '../../scripts/testbed/three-hosts.ts';
import { type Place, phoneAt, placesOf } from './support/sip-places.ts';
import { systemTest } from './support/system-test.ts';

const SIPP = join(import.meta.dirname, '../../scripts/testbed/sipp');
/** The agent's DNS stub. */
const STUB = '127.0.60.84';
const TALK_MS = 2_000;
const RINGS_WITHIN_MS = 5_000;

/** They talk until now; then the caller hangs up, and both are gone. */
async function heardBoth(
  t: ExecutionContext,
  lab: Lab,
  label: string,
  places: { alice: Place; bob: Place },
  call: () => Promise<readonly Phone[]>,
): Promise<void> {
  const file = (name: string): string => join(lab.directory, `${label}-${name}.pcapng`);
  const captures = [
    await Capture.start(places.alice.namespace, TUN_NAME, file('alice'), 'udp'),
    await Capture.start(places.bob.namespace, TUN_NAME, file('bob'), 'udp'),
  ] as const;
  await call();
  const [atAlice, atBob] = [await rtpPackets(captures[0]), await rtpPackets(captures[1])];
  for (const address of new Set(atAlice.map(({ source }) => source))) {
    const [here, there] = [atAlice, atBob].map((packets) => packets.filter(({ source }) => source === address));
    const statuses = [await places.alice.agent.status(), await places.bob.agent.status()];
    const ofAlice = [statuses[0]?.hit, statuses[0]?.ipv4].includes(address);
    const [sent = [], received = []] = ofAlice ? [here, there] : [there, here];
    const direction = compareDirections(sent, received);
    const arrived = new Set(received.map(({ sequence }) => sequence));
    const missing = sent.flatMap(({ sequence }, index) => (arrived.has(sequence) ? [] : [index]));
    t.true(direction.sent >= (0.8 * TALK_MS) / 20, `${label}: ${direction.sent} sent from ${address}`);
    t.is(direction.lost, 0, `${label}: from ${address}, number ${missing.join()} of ${sent.length}`);
  }
  t.is(new Set(atAlice.map(({ source }) => source)).size, 2, `${label}: both speak`);
}

for (const family of [6, 4] as const)
  systemTest(
    `phones with account, domain and password call sip:bob@DOMAIN and hear each other over IPv${family}`,
    async (t, lab) => {
      const hosts = await threeHosts(lab);
      const places = placesOf(hosts);
      await heardBoth(t, lab, `v${family}`, places, async () => {
        const [calling, called] = await Promise.all([
          phoneAt(lab, places.alice, { family }),
          phoneAt(lab, places.bob, { family }),
        ]);
        const from = performance.now();
        await calling.dial(`sip:bob@${OVERLAY}`);
        await Promise.all([calling.established(10_000), called.established(10_000)]);
        t.log(`established after ${(performance.now() - from).toFixed(0)} ms`);
        await delay(TALK_MS);
        await calling.hangUp();
        await called.next('CALL_CLOSED', 5_000);
        await Promise.all([calling.stop(), called.stop()]);
        t.true(calling.loudnessHeard() > 0.02);
        t.true(called.loudnessHeard() > 0.02);
        return [calling, called];
      });
    },
  );

systemTest(
  'of the phones of one user the first that answers has the call, and the others stop ringing',
  async (t, lab) => {
    const places = placesOf(await threeHosts(lab));
    const calling = await phoneAt(lab, places.alice, { family: 6 });
    const [first, second] = [
      await phoneAt(lab, places.bob, { family: 6, index: 0, rings: true }),
      await phoneAt(lab, places.bob, { family: 6, index: 1, rings: true }),
    ];
    await calling.dial(`sip:bob@${OVERLAY}`);
    await Promise.all([first.next('CALL_INCOMING', RINGS_WITHIN_MS), second.next('CALL_INCOMING', RINGS_WITHIN_MS)]);
    await calling.next('CALL_RINGING', RINGS_WITHIN_MS);
    await second.accept();
    await Promise.all([calling.established(5_000), second.established(5_000)]);
    await first.next('CALL_CLOSED', 2_000);
    t.is(first.count('CALL_ESTABLISHED'), 0);
    await second.hangUp();
    await calling.next('CALL_CLOSED', 5_000);

    // Given up while it rings.
    await calling.dial(`sip:bob@${OVERLAY}`);
    await Promise.all([first.next('CALL_INCOMING', RINGS_WITHIN_MS), second.next('CALL_INCOMING', RINGS_WITHIN_MS)]);
    await calling.hangUp();
    await Promise.all([calling, first, second].map((phone) => phone.next('CALL_CLOSED', 5_000)));

    // Both say no.
    await calling.dial(`sip:bob@${OVERLAY}`);
    await Promise.all([first.next('CALL_INCOMING', RINGS_WITHIN_MS), second.next('CALL_INCOMING', RINGS_WITHIN_MS)]);
    await Promise.all([first.hangUp(), second.hangUp()]);
    t.regex(await calling.next('CALL_CLOSED', 5_000), /486|603|Busy|Decline/);

    // Nobody has that name.
    const from = performance.now();
    await calling.dial(`sip:nobody@${OVERLAY}`);
    t.regex(await calling.next('CALL_CLOSED', 5_000), /404/);
    const tookMs = performance.now() - from;
    t.true(tookMs < 1_000, `404 after ${tookMs.toFixed(0)} ms`);
    t.log(`404 after ${tookMs.toFixed(0)} ms`);
    await Promise.all([calling.stop(), first.stop(), second.stop()]);
  },
);

systemTest('linphonec with an account and nothing else calls baresip, and is called by it', async (t, lab) => {
  const hosts = await threeHosts(lab);
  const places = placesOf(hosts);
  useResolver(lab, places.alice.namespace, STUB);
  const bob = await phoneAt(lab, places.bob, { family: 6 });
  const speech = join(lab.directory, 'speech.wav');
  const alice = await Linphone.start({
    namespace: places.alice.namespace,
    directory: lab.folder('linphone'),
    addressOfRecord: `alice@${OVERLAY}`,
    transport: 'udp',
    speech,
  });
  alice.dial(`sip:bob@${OVERLAY}`);
  await Promise.all([alice.established(10_000), bob.next('CALL_ESTABLISHED', 10_000)]);
  await delay(TALK_MS);
  alice.hangUp();
  await bob.next('CALL_CLOSED', 5_000);
  t.true(bob.loudnessHeard() > 0.02);
  t.true((await alice.loudnessHeard()) > 0.02);
  await bob.dial(`sip:alice@${OVERLAY}`);
  await bob.next('CALL_ESTABLISHED', 10_000);
  await delay(TALK_MS);
  await bob.hangUp();
  t.true(bob.loudnessHeard() > 0.02);
  await Promise.all([alice.stop(), bob.stop()]);
});

systemTest('a phone that registered is called after its host has crashed, without its doing', async (t, lab) => {
  const hosts = await threeHosts(lab);
  const places = placesOf(hosts);
  const [alice, bob] = [await phoneAt(lab, places.alice, { family: 6 }), await phoneAt(lab, places.bob, { family: 4 })];
  const registrations = (): number => bob.trace.split('\nREGISTER sip:').length;
  // On the disk a second after it has registered.
  await delay(2_000);
  const before = registrations();
  await hosts.bob.crash();
  hosts.bob = await hosts.bob.startAgain();
  await eventually('bob is called', 20_000, async () => {
    await alice.dial(`sip:bob@${OVERLAY}`);
    await alice.next('CALL_CLOSED', 4_000).catch(() => undefined);
    return bob.count('CALL_ESTABLISHED') > 0 ? true : undefined;
  });
  t.is(registrations(), before, 'the phone did nothing');
  await Promise.all([alice.stop(), bob.stop()]);
});

for (const transport of ['udp', 'tcp'] as const)
  systemTest(`sipp registers and calls over ${transport}: each of ten calls is answered and ended`, async (t, lab) => {
    const places = placesOf(await threeHosts(lab));
    const sipp = async ({ agent, namespace }: Place, scenario: string, user: string, ...more: string[]) => {
      const { hit } = await agent.status();
      const settings = ['-i', hit, '-p', '5060', '-t', transport === 'udp' ? 'u1' : 't1', '-nostdin', '-timeout', '30'];
      const keys = ['-s', user, '-key', 'domain', OVERLAY, '-key', 'caller', agent.name, '-key', 'expires', '300'];
      const file = ['-sf', join(SIPP, `${scenario}.xml`), `[${hit}]:5062`];
      return namespace.tryRun('sipp', [...file, ...settings, ...keys, ...more], { timeoutMs: 40_000 });
    };
    const registered = await sipp(places.bob, 'register', 'bob', '-m', '1');
    t.is(registered.status, 0, registered.stdout.slice(-2_000));
    const { hit } = await places.bob.agent.status();
    const answering = places.bob.namespace.start('sipp', [
      ...[
        '-sf',
        join(SIPP, 'answer.xml'),
        '-i',
        hit,
        '-p',
        '5060',
        '-t',
        transport === 'udp' ? 'u1' : 't1',
        '-nostdin',
      ],
    ]);
    const called = await sipp(places.alice, 'call', 'bob', '-m', '10', '-r', '10', '-d', '200');
    t.is(called.status, 0, called.stdout.slice(-3_000) + called.stderr.slice(-1_000));
    await answering.stop('SIGKILL');
  });
