import test from 'ava';
import { silentLogger } from '../../../src/base/logger.ts';
import { seededRandom } from '../../../src/base/random.ts';
import type { SocketAddress } from '../../../src/base/socket-address.ts';
import { toStreamAddress } from '../../../src/base/stream-address.ts';
import { deriveSecrets } from '../../../src/link/association-secrets.ts';
import { TurnRelays, type TurnPorts } from '../../../src/link/turn-relays.ts';

const SELF = `20010022${'a'.repeat(24)}`;
const MEMBER = `20010022${'b'.repeat(24)}`;
const ACCEPTS = { address: '203.0.113.1', port: 443 };
const STREAM = toStreamAddress(ACCEPTS);
const DIRECT = { address: '203.0.113.1', port: 6_084 };

/** What is done about the TURN server of a member to which our link goes so. */
class Scene {
  readonly dialed: unknown[] = [];
  readonly sent: SocketAddress[] = [];
  readonly hungUp: number[] = [];
  readonly current = {
    ...{ link: 1, isIndirect: true, path: { remote: STREAM } },
    secrets: deriveSecrets(new Uint8Array(32).fill(1)),
  };
  readonly relays: TurnRelays;

  constructor(streams: readonly SocketAddress[]) {
    const ports = {
      dataPlane: {
        port: 6_084,
        sendDatagram: (_: unknown, remote: SocketAddress) => this.sent.push(remote),
        dialTurnServer: (_: number, remote: SocketAddress, tls: unknown) => this.dialed.push([remote, tls]),
        hangUpTurnServer: (stream: number) => this.hungUp.push(stream),
      },
      table: { link: () => ({ current: this.current }), boundTo: () => undefined, associations: [] },
      addresses: { setRelayed: () => {}, reach: (address: SocketAddress) => address },
      ...{ selfHit: SELF, streamsOf: () => streams, random: seededRandom(1), logger: silentLogger },
      ...{ known: () => {}, lost: () => {} },
    };
    this.relays = new TurnRelays(ports as unknown as TurnPorts);
    this.relays.setHosts(['192.168.1.2'], 0);
  }
}

test('a member to which our link goes by a stream that it accepts is asked for a relayed address there, by TLS', (t) => {
  const scene = new Scene([STREAM]);
  scene.relays.setMembers([MEMBER], 0);
  t.deepEqual(scene.dialed, [[STREAM, 'member']]);
  t.deepEqual(scene.sent, [STREAM]);
  // The same again.
  scene.relays.setMembers([MEMBER], 1);
  scene.relays.linkChanged(MEMBER, 1);
  t.is(scene.dialed.length, 1);
});

test('when its link goes by UDP, its server is reached by that', (t) => {
  const scene = new Scene([STREAM]);
  scene.relays.setMembers([MEMBER], 0);
  scene.current.path = { remote: DIRECT };
  scene.current.isIndirect = false;
  scene.relays.linkChanged(MEMBER, 1);
  t.deepEqual(scene.hungUp, [1]);
  t.deepEqual(scene.sent.at(-1), DIRECT);
});

test('a member that has dialed the stream of its link itself is asked for nothing at its end of it', (t) => {
  const scene = new Scene([]);
  scene.relays.setMembers([MEMBER], 0);
  t.deepEqual([...scene.dialed, ...scene.sent], []);
});
