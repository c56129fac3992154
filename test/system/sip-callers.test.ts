import { setTimeout as delay } from 'node:timers/promises';
import { OVERLAY, threeHosts } from '../../scripts/testbed/three-hosts.ts';
import { phoneAt, placesOf } from './support/sip-places.ts';
import { systemTest } from './support/system-test.ts';

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
