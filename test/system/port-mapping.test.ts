import { Agent } from '../../scripts/testbed/agent.ts';
import { eventually } from '../../scripts/testbed/command.ts';
import { MappingRouter, type Mapper } from '../../scripts/testbed/mapping-router.ts';
import { Internet } from '../../scripts/testbed/topology.ts';
import { decodeTicket } from '../../src/identity/ticket.ts';
import { systemTest } from './support/system-test.ts';

const MAPPERS: readonly Mapper[] = ['pcp', 'nat-pmp', 'upnp'];
const PORT = 6084;
/** miniupnpd maps nothing of addresses for documentation. These were set aside for tests of packet radio, and are public to it. */
const ROUTER = '44.128.0.1';
const OUTSIDE = '44.128.0.20';
/** The router says that it has started, again and again in its first minutes. */
const REBOOT_TIMEOUT_MS = 20_000;
const MOVE_TIMEOUT_MS = 15_000;

/**
 *     outside 44.128.0.20      nat a 44.128.0.1, with miniupnpd
 *           |                        |
 *     ------+-------- internet ------+
 *                                    |
 *                             192.168.1.0/24
 *                              founder a .10
 */
for (const mapper of MAPPERS)
  systemTest(
    `a home behind a strict router that speaks ${mapper}: a ticket of it lets in a newcomer from outside, no rendezvous`,
    async (t, lab) => {
      const internet = await Internet.create(lab);
      const outside = await internet.publicHost('outside', OUTSIDE);
      const nat = await internet.natRouter('nat-a', ROUTER, '192.168.1', 'address-and-port-dependent');
      const home = await internet.mobileHost('a');
      await nat.plug(home);
      const router = await MappingRouter.start(lab, nat, mapper);

      const overlay = { create: `${mapper}.example` };
      const alice = await Agent.start(lab, { namespace: home.namespace, name: 'alice', overlay, tun: false });
      const ticket = await alice.invite();
      const external = `${nat.address}:${PORT}`;
      t.deepEqual((await alice.status()).portMapping, { state: 'mapped', external, protocol: mapper, why: null });
      t.deepEqual(decodeTicket(ticket, Date.now()).addresses, [
        { address: nat.address, port: PORT },
        { address: home.address, port: PORT },
      ]);
      const bob = Agent.launch(lab, {
        namespace: outside.namespace,
        name: 'bob',
        overlay: { join: ticket },
        tun: false,
      });
      await bob.ready();
      t.is((await alice.status()).links.length, 1);
      t.is((await bob.status()).portMapping?.why, 'this host has no IPv4 router');

      if (mapper === 'pcp') {
        const left = await router.reboot();
        t.deepEqual(left, []);
        await eventually('the mapping is there again', REBOOT_TIMEOUT_MS, async () =>
          (await router.mappings()).length > 0 ? true : undefined,
        );
        // A new life after a crash has the same right to the port.
        await alice.crash();
        const again = await alice.startAgain();
        await eventually('it is mapped again', REBOOT_TIMEOUT_MS, async () =>
          (await again.status()).portMapping?.state === 'mapped' ? true : undefined,
        );
        t.is((await again.status()).portMapping?.external, external);
        await again.stop();
      } else if (mapper === 'nat-pmp') {
        // To a home whose router maps nothing: the address of the old one is no way to us any more.
        const elsewhere = await internet.natRouter('nat-b', '44.128.0.2', '192.168.2');
        await home.unplug();
        await elsewhere.plug(home);
        await eventually('the new router was asked in vain', MOVE_TIMEOUT_MS, async () =>
          (await alice.status()).portMapping?.state === 'none' ? true : undefined,
        );
        t.is((await alice.status()).portMapping?.why, 'the router 192.168.2.1 answers neither PCP, NAT-PMP nor UPnP');
        t.false(decodeTicket(await alice.invite(), Date.now()).addresses.some(({ address }) => address === ROUTER));
        await alice.stop();
      } else await alice.stop();
      if (mapper !== 'nat-pmp') t.deepEqual(await router.mappings(), [], 'the mapping is taken away');
      await bob.stop();
    },
  );
