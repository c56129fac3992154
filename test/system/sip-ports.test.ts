import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../../scripts/testbed/command.ts';
import { OVERLAY, threeHosts } from '../../scripts/testbed/three-hosts.ts';
import { phoneAt, placesOf } from './support/sip-places.ts';
import { systemTest } from './support/system-test.ts';

const TALK_MS = 1_000;

systemTest(
  'an adaptor at another port than 5062: phones with ordinary settings find it by DNS, and callers by its record, in both directions',
  async (t, lab) => {
    const hosts = await threeHosts(lab, undefined, { bob: () => Promise.resolve('[sip]\nport = 5070\n') });
    const places = placesOf(hosts);
    const [alice, bob] = [
      await phoneAt(lab, places.alice, { family: 4 }),
      await phoneAt(lab, places.bob, { family: 4, registers: 'tcp' }),
    ];
    for (const [calling, called, name] of [
      [alice, bob, 'bob'],
      [bob, alice, 'alice'],
    ] as const) {
      // Until its record is in the overlay, a phone is called where those are that have registered nowhere.
      await eventually(`${name} is called`, 15_000, async () => {
        await calling.dial(`sip:${name}@${OVERLAY}`);
        return calling.next('CALL_ESTABLISHED', 3_000).then(
          () => true,
          () => undefined,
        );
      });
      await called.next('CALL_ESTABLISHED', 5_000);
      await delay(TALK_MS);
      await called.hangUp();
      await calling.next('CALL_CLOSED', 5_000);
    }
    t.regex(bob.trace, /Via: SIP\/2\.0\/TCP [^\r\n]*:5070/);
    await Promise.all([alice.stop(), bob.stop()]);
    for (const phone of [alice, bob]) t.true(phone.loudnessHeard() > 0.02);
  },
);
