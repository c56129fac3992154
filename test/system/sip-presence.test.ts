import { setTimeout as delay } from 'node:timers/promises';
import { placeBeside, settle } from '../../scripts/testbed/phones/places.ts';
import { Pjsua } from '../../scripts/testbed/phones/pjsua.ts';
import { OVERLAY, threeHosts } from '../../scripts/testbed/three-hosts.ts';
import { placesOf } from './support/sip-places.ts';
import { systemTest } from './support/system-test.ts';

/** A NOTIFY that nobody answers is repeated for 32 s (RFC 3261 s17.1.2.2). */
const TOLD_MS = 30_000;
/** From a registration to its record in the overlay. */
const PUBLISHED_MS = 2_500;

systemTest(
  "who watches a member's presence is told online, busy, and gone by PJSIP, across a crash of either agent, and of the end",
  async (t, lab) => {
    const hosts = await threeHosts(lab);
    const places = placesOf(hosts);
    const start = async (user: 'alice' | 'bob'): Promise<Pjsua> => {
      const { agent, namespace } = places[user];
      await settle(lab, namespace, agent);
      return Pjsua.start(await placeBeside(lab, { agent, namespace, domain: OVERLAY, folder: `phone-${user}` }));
    };
    const [alice, bob] = [await start('alice'), await start('bob')];
    await delay(PUBLISHED_MS);
    alice.command(`subscribe sip:bob@${OVERLAY}`);
    await alice.next(/^PRESENCE ACTIVE 1/, TOLD_MS);
    const tells = async (status: string, line: RegExp): Promise<void> => {
      alice.forget();
      bob.command(`status ${status}`);
      await alice.next(line, TOLD_MS);
    };
    await tells('busy', /^PRESENCE ACTIVE 1 busy/);
    await hosts.bob.crash();
    hosts.bob = await hosts.bob.startAgain();
    await tells('gone', /^PRESENCE ACTIVE 2/);
    await hosts.alice.crash();
    hosts.alice = await hosts.alice.startAgain();
    await tells('online', /^PRESENCE ACTIVE 1 online/);
    alice.forget();
    await bob.stop();
    await alice.next(/^PRESENCE TERMINATED/, TOLD_MS);
    t.false(alice.output.includes('ERROR'), alice.output);
    await alice.stop();
  },
);
