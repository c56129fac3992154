import { join } from 'node:path';
import { pingTimes } from '../../scripts/testbed/load.ts';
import { Capture } from '../../scripts/testbed/capture.ts';
import { twoHomes } from '../../scripts/testbed/topology.ts';
import type { Host, NatMapping } from '../../scripts/testbed/topology.ts';
import type { Lab } from '../../scripts/testbed/lab.ts';
import { systemTest } from './support/system-test.ts';

const SCRIPTS = join(import.meta.dirname, '../../scripts/testbed');

async function reaches(from: Host, address: string): Promise<boolean> {
  return (await pingTimes(from.namespace, address, 2, 200)).length > 0;
}

/** Whether both sides hear each other when each sends to the other's router at the port that the other uses. */
async function holePunching(lab: Lab, mapping: NatMapping): Promise<boolean> {
  const { a, b, natA, natB } = await twoHomes(lab, mapping);
  const punch = (host: Host, local: number, remote: string, remotePort: number): Promise<{ status: number | null }> =>
    host.namespace.tryRun(process.execPath, [
      join(SCRIPTS, 'hole-punch.ts'),
      ...[String(local), remote, String(remotePort), '5'],
    ]);
  const results = await Promise.all([punch(a, 40_001, natB.address, 40_002), punch(b, 40_002, natA.address, 40_001)]);
  return results.every((result) => result.status === 0);
}

systemTest('hosts behind two home routers reach the public peer but not each other', async (t, lab) => {
  const { peer, a, b, natB } = await twoHomes(lab);
  t.true(await reaches(a, peer.address));
  t.true(await reaches(b, peer.address));
  t.false(await reaches(a, b.address));
  t.false(await reaches(a, natB.address));
  t.false(await reaches(peer, natB.address));
});

systemTest('a router with endpoint-independent mapping keeps the port that the host used', async (t, lab) => {
  const { peer, a, natA } = await twoHomes(lab);
  const capture = await Capture.start(peer.namespace, peer.interfaceName, join(lab.directory, 'peer.pcapng'), 'udp');
  const send =
    "require('dgram').createSocket('udp4').bind(40001).send('x', 6084, process.argv[1], () => process.exit())";
  await a.namespace.run(process.execPath, ['-e', send, peer.address]);
  const seen = await capture.fields('udp.dstport == 6084', ['ip.src', 'udp.srcport']);
  t.deepEqual(seen, [{ 'ip.src': natA.address, 'udp.srcport': '40001' }]);
});

systemTest('two routers with endpoint-independent mapping let both ends punch through', async (t, lab) => {
  t.true(await holePunching(lab, 'endpoint-independent'));
});

systemTest('two routers with address-and-port-dependent mapping do not let both ends punch through', async (t, lab) => {
  t.false(await holePunching(lab, 'address-and-port-dependent'));
});

systemTest(
  'a host that moves to a third router has its new address and reaches the peer from there',
  async (t, lab) => {
    const { peer, a, natC } = await twoHomes(lab);
    const cable = await natC.lay(a);
    await a.unplug();
    t.false(await reaches(a, peer.address));
    await natC.connect(cable);
    t.is(a.address, '192.168.3.10');
    t.true(await reaches(a, peer.address));
  },
);
