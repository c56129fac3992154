import test from 'ava';
import { seededRandom } from '../../../src/base/random.ts';
import type { SocketAddress } from '../../../src/base/socket-address.ts';
import { FilteringTest } from '../../../src/mobility/filtering.ts';
import { decodeStun, encodeStun } from '../../../src/stun/codec.ts';
import { HOME_NAT, SYMMETRIC_NAT } from '../../sim/network/nat.ts';
import { SimNetwork } from '../../sim/network/network.ts';

const ADDRESSES = ['203.0.113.1', '203.0.113.2'] as const;
const PORTS = [3_478, 3_479] as const;
const SERVER: SocketAddress = { address: ADDRESSES[0], port: PORTS[0] };
const OTHER: SocketAddress = { address: ADDRESSES[1], port: PORTS[1] };
const ALONE: SocketAddress = { address: '203.0.113.9', port: 3_478 };
const NOBODY: SocketAddress = { address: '203.0.113.99', port: 3_478 };
const OWN_PORT = 40_000;
const DEPENDENCES = ['endpoint-independent', 'address-dependent', 'address-and-port-dependent'] as const;

/** What a server answers; `asked` are the bits of CHANGE-REQUEST, which ours writes first. */
function answerTo(data: Uint8Array, to: SocketAddress, other: SocketAddress | undefined): [Uint8Array, number] {
  const request = decodeStun(data);
  const changes = request.unknownRequired?.includes(3) === true;
  const answer = encodeStun({
    class: 'success',
    method: 1,
    transactionId: request.transactionId,
    attributes: { xorMappedAddress: to, ...(other && { otherAddress: other }) },
  });
  return [answer, changes ? (data[27] ?? 0) : 0];
}

/** The verdict of a host at the simulated network's `lan`, and when it came, in ms. */
function verdict(
  network: SimNetwork,
  lan: Parameters<SimNetwork['host']>[0],
  servers: readonly SocketAddress[],
): { result: FilteringTest['result']; at: number } {
  const hosts = ADDRESSES.map((address) => network.host(network.internet, address));
  hosts.forEach((host, i) =>
    PORTS.forEach((port, j) =>
      host.bind(port, ({ data, source }) => {
        const [answer, asked] = answerTo(data, source, { address: ADDRESSES[i ^ 1] ?? '', port: PORTS[j ^ 1] ?? 0 });
        const from = hosts[(asked & 4) === 0 ? i : i ^ 1];
        from?.send(null, PORTS[(asked & 2) === 0 ? j : j ^ 1] ?? 0, source, answer);
      }),
    ),
  );
  const alone = network.host(network.internet, ALONE.address);
  alone.bind(ALONE.port, ({ data, source }) =>
    alone.send(null, ALONE.port, source, answerTo(data, source, undefined)[0]),
  );
  const inner = network.host(lan, '10.0.0.2');
  const { loop } = network;
  const asker = new FilteringTest({ random: seededRandom(1) }, servers, loop.now);
  const flush = (): void => {
    for (let out = asker.pollTransmit(); out !== undefined; out = asker.pollTransmit())
      inner.send(null, OWN_PORT, out.remote, out.data);
  };
  inner.bind(OWN_PORT, ({ data, source }) => {
    asker.receive(data, source, loop.now);
    flush();
  });
  const began = loop.now;
  flush();
  for (let turns = 0; !asker.done && turns < 5_000; turns++) {
    loop.run(1);
    asker.handleTimeout(loop.now);
    flush();
  }
  return { result: asker.result, at: loop.now - began };
}

for (const nat of [HOME_NAT, SYMMETRIC_NAT])
  for (const filtering of DEPENDENCES)
    test(`${filtering} filtering of a NAT with ${nat.mapping} mapping is told by what gets in`, (t) => {
      const network = new SimNetwork(1);
      const { lan } = network.home('home', '198.51.100.1', { ...nat, filtering });
      const { result, at } = verdict(network, lan, [NOBODY, ALONE, SERVER]);
      t.is(result, filtering);
      t.true(at < 1_500);
    });

test('it is not known where no server has two addresses, where none answers, and where there is none', (t) => {
  for (const servers of [[ALONE], [NOBODY], []]) {
    const network = new SimNetwork(1);
    const { lan } = network.home('home', '198.51.100.1', HOME_NAT);
    t.is(verdict(network, lan, servers).result, undefined);
  }
});

test('what is no STUN, answers nothing, comes from elsewhere or names no second address changes nothing', (t) => {
  const asker = new FilteringTest({ random: seededRandom(1) }, [SERVER], 0);
  const data = asker.pollTransmit()?.data ?? t.fail('nothing was asked');
  const [answer] = answerTo(data, ALONE, OTHER);
  asker.receive(Uint8Array.of(1, 2, 3), SERVER, 1);
  asker.receive(answer, OTHER, 1);
  asker.receive(encodeStun({ class: 'success', method: 1, transactionId: '00'.repeat(12), attributes: {} }), SERVER, 1);
  for (const same of [SERVER, { ...SERVER, port: 9 }, { ...OTHER, port: SERVER.port }])
    asker.receive(answerTo(data, ALONE, same)[0], SERVER, 1);
  t.is(asker.pollTransmit(), undefined);
  t.false(asker.done);
});
