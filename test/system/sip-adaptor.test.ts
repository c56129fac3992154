import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../../scripts/testbed/command.ts';
import { Linphone } from '../../scripts/testbed/linphone.ts';
import { useResolver } from '../../scripts/testbed/nat64.ts';
import { OVERLAY, threeHosts } from '../../scripts/testbed/three-hosts.ts';
import { hearFromNowOn } from './support/hearing.ts';
import { type Place, phoneAt, placesOf, watchCall } from './support/sip-places.ts';
import { systemTest } from './support/system-test.ts';

const SIPP = join(import.meta.dirname, '../../scripts/testbed/sipp');
/** The agent's DNS stub. */
const STUB = '127.0.60.84';
const TALK_MS = 2_000;
const RINGS_WITHIN_MS = 5_000;
/** Of what phones send in that time, at a packet every 20 ms. */
const LEAST_SENT = (0.8 * TALK_MS) / 20;
/** As a busy machine lets a program wait; several packets then come at once. */
const STANDSTILL_MS = 150;

for (const family of [6, 4] as const)
  systemTest(
    `phones with account, domain and password call sip:bob@DOMAIN and hear each other over IPv${family}`,
    async (t, lab) => {
      const hosts = await threeHosts(lab);
      const places = placesOf(hosts);
      const watch = await watchCall(lab, `v${family}`, places);
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
      await watch.nothingLost(t, LEAST_SENT);
      for (const [who, phone] of Object.entries({ calling, called }))
        t.true(phone.loudnessHeard() > 0.02, `${who} hears ${phone.loudnessHeard()}`);
    },
  );

systemTest(
  `a host whose agent stands still for ${STANDSTILL_MS} ms, four times in a call, loses no packet of it, over IPv6 and IPv4`,
  async (t, lab) => {
    const places = placesOf(await threeHosts(lab));
    for (const [index, family] of ([6, 4] as const).entries()) {
      const watch = await watchCall(lab, `v${family}`, places);
      const [calling, called] = await Promise.all([
        phoneAt(lab, places.alice, { family, index }),
        phoneAt(lab, places.bob, { family, index }),
      ]);
      await calling.dial(`sip:bob@${OVERLAY}`);
      await Promise.all([calling.established(10_000), called.established(10_000)]);
      for (let times = 0; times < 4; times++) {
        await delay(TALK_MS / 5);
        process.kill(places.bob.agent.process.pid, 'SIGSTOP');
        await delay(STANDSTILL_MS);
        process.kill(places.bob.agent.process.pid, 'SIGCONT');
      }
      await delay(TALK_MS / 5);
      await calling.hangUp();
      await called.next('CALL_CLOSED', 5_000);
      await Promise.all([calling.stop(), called.stop()]);
      await watch.nothingLost(t, LEAST_SENT);
    }
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

systemTest(
  'linphonec with an account and nothing else calls baresip, and is called by it: both hear, each time',
  async (t, lab) => {
    const hosts = await threeHosts(lab);
    const places = placesOf(hosts);
    useResolver(lab, places.alice.namespace, STUB);
    const bob = await phoneAt(lab, places.bob, { family: 4 });
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
    await hearFromNowOn('linphonec is called', [alice, bob]);
    await bob.hangUp();
    await Promise.all([alice.stop(), bob.stop()]);
  },
);

systemTest('a phone that registered is called after its host has crashed, without its doing', async (t, lab) => {
  const hosts = await threeHosts(lab);
  const places = placesOf(hosts);
  const [alice, bob] = [await phoneAt(lab, places.alice, { family: 4 }), await phoneAt(lab, places.bob, { family: 4 })];
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
