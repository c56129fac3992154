import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { speechLike, writeWav } from '../../scripts/testbed/speech.ts';
import { OVERLAY, threeHosts } from '../../scripts/testbed/three-hosts.ts';
import { phoneAt, placesOf } from './support/sip-places.ts';
import { systemTest } from './support/system-test.ts';

const SIPP_CALL = join(import.meta.dirname, '../../scripts/testbed/sipp/call.xml');
const ANSWER_MS = 20_000;
/** From a registration to its record in the overlay. */
const PUBLISHED_MS = 2_500;

systemTest(
  'a member whose host has crashed is unavailable within 6 s, though the overlay names the host still',
  async (t, lab) => {
    const hosts = await threeHosts(lab);
    const places = placesOf(hosts);
    const [alice, bob] = [
      await phoneAt(lab, places.alice, { family: 6 }),
      await phoneAt(lab, places.bob, { family: 6 }),
    ];
    await alice.dial(`sip:bob@${OVERLAY}`);
    await bob.next('CALL_ESTABLISHED', 10_000);
    await alice.hangUp();
    await alice.next('CALL_CLOSED', 5_000);
    await hosts.bob.crash();
    for (const waitedMs of [0, 20_000, 40_000]) {
      await delay(waitedMs);
      const from = performance.now();
      await alice.dial(`sip:bob@${OVERLAY}`);
      t.regex(await alice.next('CALL_CLOSED', 40_000), /480/);
      const tookMs = performance.now() - from;
      t.log(`480 after ${tookMs.toFixed(0)} ms`);
      t.true(tookMs < 6_000, `480 after ${tookMs.toFixed(0)} ms`);
    }
    await Promise.all([alice.stop(), bob.stop()]);
  },
);

systemTest(
  'a baresip rings for a contact, not for whom its user has blocked, and in a flood of sipp for some of the calls',
  async (t, lab) => {
    const hosts = await threeHosts(lab, undefined, {
      bob: () => Promise.resolve('[sip]\ncallers = "contacts"\ncontacts = ["alice", "peer"]\nblock = ["peer"]\n'),
    });
    const places = placesOf(hosts);
    const peer = { agent: hosts.peer, namespace: hosts.homes.peer.namespace };
    const speech = join(lab.directory, 'mono.wav');
    writeWav(speech, speechLike(40, 6940), 1);
    const pcmu = { family: 6, codecs: 'PCMU/8000/1', speech } as const;
    const [alice, bob, blocked] = [
      await phoneAt(lab, places.alice, pcmu),
      await phoneAt(lab, places.bob, pcmu),
      await phoneAt(lab, peer, pcmu),
    ];
    await delay(PUBLISHED_MS);
    await blocked.dial(`sip:bob@${OVERLAY}`);
    t.regex(await blocked.next('CALL_CLOSED', ANSWER_MS), /480/);
    t.is(bob.events.filter(({ type }) => type.startsWith('CALL_')).length, 0, 'nothing of it at his phone');
    await alice.dial(`sip:bob@${OVERLAY}`);
    await Promise.all([alice.next('CALL_ESTABLISHED', ANSWER_MS), bob.next('CALL_ESTABLISHED', ANSWER_MS)]);
    await alice.hangUp();
    await bob.next('CALL_CLOSED', ANSWER_MS);

    const { hit } = await hosts.alice.status();
    await places.alice.namespace.tryRun('sipp', [
      ...['-sf', SIPP_CALL, '-i', hit, '-p', '5070', '-m', '50', '-r', '10', '-d', '100', '-nostdin', '-timeout', '60'],
      ...['-s', 'bob', '-key', 'domain', OVERLAY, '-key', 'caller', 'alice', '-key', 'expires', '300', `[${hit}]:5062`],
    ]);
    const rung = (bob.trace.match(/^INVITE sip:/gm)?.length ?? 0) - 1;
    t.log(`of 50 calls in 5 s, ${rung} came to the phone`);
    // Twenty at once, and one every two seconds.
    t.true(rung >= 15 && rung < 40, String(rung));
    await Promise.all([alice.stop(), bob.stop(), blocked.stop()]);
  },
);

systemTest(
  'a member has sixteen connections to the adaptor of another at once, and no more; what ends makes room',
  async (t, lab) => {
    const { alice, bob } = placesOf(await threeHosts(lab));
    const { hit } = await alice.agent.status();
    const script = `const { connect } = require('net');
const open = new Set();
const dial = () => { const s = connect(5062, '${hit}'); s.on('error', () => {}); s.on('connect', () => open.add(s)); s.on('close', () => open.delete(s)); };
for (let i = 0; i < 24; i++) dial();
setTimeout(() => {
  console.log('at once', open.size);
  for (const s of [...open].slice(0, 6)) s.destroy();
  setTimeout(() => { for (let i = 0; i < 24; i++) dial(); setTimeout(() => { console.log('again', open.size); process.exit(); }, 3000); }, 1000);
}, 5000);`;
    const output = await bob.namespace.run(process.execPath, ['-e', script]);
    t.regex(output, /at once 16\nagain 16\n/);
  },
);
