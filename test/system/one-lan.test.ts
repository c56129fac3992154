import { Agent } from '../../scripts/testbed/agent.ts';
import { eventually } from '../../scripts/testbed/command.ts';
import { systemTest } from './support/system-test.ts';

const OVERLAY = 'one-lan.example';
const MEET_TIMEOUT_MS = 60_000;

systemTest(
  'two hosts on one cable, without a router and with link-local addresses: they join, and find each other after both got others',
  async (t, lab) => {
    const [a, b] = [await lab.namespace('a'), await lab.namespace('b')];
    await lab.cable(a, 'eth0', b, 'eth0');
    await a.ipBatch(['link set eth0 up', 'address add 169.254.10.1/16 dev eth0']);
    await b.ipBatch(['link set eth0 up', 'address add 169.254.20.2/16 dev eth0']);
    await a.carrier('eth0');
    const alice = await Agent.start(lab, { namespace: a, name: 'alice', overlay: { create: OVERLAY } });
    const ticket = await alice.invite();
    const bob = await Agent.start(lab, { namespace: b, name: 'bob', overlay: { join: ticket } });
    t.true((await bob.ping(`alice.${OVERLAY}`, 2)).direct);

    // What each knew of the other is wrong now.
    await Promise.all([alice.stop(), bob.stop()]);
    await a.ipBatch(['address delete 169.254.10.1/16 dev eth0', 'address add 192.168.7.1/24 dev eth0']);
    await b.ipBatch(['address delete 169.254.20.2/16 dev eth0', 'address add 192.168.7.2/24 dev eth0']);
    const [first, second] = [await alice.startAgain(), Agent.launch(lab, bobAgain(b))];
    await eventually('they have found each other by mDNS', MEET_TIMEOUT_MS, async () =>
      (await first.status()).links.some(({ state }) => state === 'connected') ? true : undefined,
    );
    await second.ready();
    const { path } = await second.ping(`alice.${OVERLAY}`, 2);
    t.is(path?.remote, '192.168.7.1:6084');
    await second.stop();
    await first.stop();
  },
);

function bobAgain(namespace: Parameters<typeof Agent.launch>[1]['namespace']): Parameters<typeof Agent.launch>[1] {
  return { namespace, name: 'bob', overlay: 'as before' };
}
