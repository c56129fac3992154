import { Agent } from '../../scripts/testbed/agent.ts';
import { eventually } from '../../scripts/testbed/command.ts';
import type { Namespace } from '../../scripts/testbed/lab.ts';
import { systemTest } from './support/system-test.ts';

const OVERLAY = 'addresses.example';
const BRIDGES = 12;
const NOTICED_MS = 10_000;

/** As docker leaves them on a developer's machine. */
async function addBridges(host: Namespace): Promise<void> {
  await host.ipBatch(
    Array.from({ length: BRIDGES }, (_, i) => [
      `link add br-${i} type bridge`,
      `link add port${i} type veth peer name inner${i}`,
      `link set port${i} master br-${i}`,
      ...[`br-${i}`, `port${i}`, `inner${i}`].map((name) => `link set ${name} up`),
      `address add 172.${18 + i}.0.1/16 dev br-${i}`,
    ]).flat(),
  );
}

function unanswered({ rttMs }: { readonly rttMs: readonly (number | null)[] }): readonly null[] {
  return rttMs.filter((rtt) => rtt === null);
}

systemTest(
  'hosts with twelve bridges of containers each are linked and tell nobody of those; a temporary address that is deprecated, then removed, ends nothing',
  async (t, lab) => {
    const [a, b] = [await lab.namespace('a'), await lab.namespace('b')];
    await lab.cable(a, 'eth0', b, 'eth0');
    await addBridges(a);
    await addBridges(b);
    await a.ipBatch(['link set eth0 up', 'address add 2001:db8:1::a/64 dev eth0 nodad']);
    await b.ipBatch(['link set eth0 up', 'address add 2001:db8:1::b/64 dev eth0 nodad']);
    await a.carrier('eth0');
    const alice = await Agent.start(lab, { namespace: a, name: 'alice', overlay: { create: OVERLAY } });
    const bob = await Agent.start(lab, { namespace: b, name: 'bob', overlay: { join: await alice.invite() } });
    t.deepEqual((await alice.status()).listen, ['[2001:db8:1::a]:6084']);
    t.deepEqual((await bob.status()).listen, ['[2001:db8:1::b]:6084']);
    t.true((await bob.ping(`alice.${OVERLAY}`)).direct);

    const local = async (): Promise<string | undefined> =>
      (await bob.status()).links.find(({ state }) => state === 'connected')?.path?.local;
    const listens = async (...addresses: string[]): Promise<void> => {
      await eventually(`bob listens at ${addresses.join()}`, NOTICED_MS, async () =>
        (await bob.status()).listen.join() === addresses.map((address) => `[${address}]:6084`).join()
          ? true
          : undefined,
      );
    };
    const before = await local();
    await b.ipBatch(['address add 2001:db8:1::c/64 dev eth0 nodad']);
    await b.ipBatch(['address change 2001:db8:1::b/64 dev eth0 nodad preferred_lft 0']);
    await listens('2001:db8:1::c');
    t.is(await local(), before);
    t.deepEqual(unanswered(await bob.ping(`alice.${OVERLAY}`, 5)), []);
    await b.ipBatch(['address delete 2001:db8:1::b/64 dev eth0']);
    await eventually('the link goes on from the new address', NOTICED_MS, async () =>
      (await local()) === '[2001:db8:1::c]:6084' ? true : undefined,
    );
    t.deepEqual(unanswered(await bob.ping(`alice.${OVERLAY}`, 5)), []);
    t.deepEqual(unanswered(await alice.ping(`bob.${OVERLAY}`, 5)), []);
    await bob.stop();
    await alice.stop();
  },
);
