import test from 'ava';
import { TurnMembers, type TurnMembersComponents } from '../../../src/agent/turn-members.ts';
import { ByteWriter } from '../../../src/base/bytes.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { seededRandom } from '../../../src/base/random.ts';
import type { SocketAddress } from '../../../src/base/socket-address.ts';
import { toStreamAddress } from '../../../src/base/stream-address.ts';
import { orchidRing } from '../../../src/overlay/chord/ring.ts';
import { TURN_SERVICE } from '../../../src/overlay/storage/kinds.ts';
import { turnServiceResource } from '../../../src/overlay/turn-records.ts';
import { encodeTurnServer } from '../../../src/reload/index.ts';

const SELF = `20010022${'a'.repeat(24)}`;
const MEMBER = `20010022${'b'.repeat(24)}`;
const STREAM = toStreamAddress({ address: '203.0.113.1', port: 443 });

/** @returns what is done to be linked with the only server of the overlay, whose record says that it is there. */
function reached(address: SocketAddress, own: string, streams: readonly SocketAddress[] = []): unknown[] {
  const done: unknown[] = [];
  const writer = new ByteWriter();
  encodeTurnServer(writer, { iteration: 1, address });
  const resource = turnServiceResource(orchidRing, MEMBER, 1);
  const results = [{ kind: TURN_SERVICE.id, closest: resource }];
  const values = [{ value: { value: writer.finish() }, signer: { nodeId: MEMBER } }];
  type Done = (result: unknown, now: number) => void;
  const overlay = {
    settings: { ring: orchidRing },
    requester: {
      request: (_: unknown, now: number, tell: Done) => tell({ ok: true, body: { type: 'find_ans', results } }, now),
    },
    fetch: (_: unknown, now: number, tell: Done) => tell({ ok: true, values }, now),
  };
  const components = {
    self: SELF,
    links: {
      isUp: () => false,
      addresses: {
        isOwn: () => false,
        reach: (remote: SocketAddress) => remote,
        mayReach: (other: string) => own.includes(':') === other.includes(':'),
      },
      turn: { isRelayed: false, setMembers: (hits: unknown) => done.push(['members', hits]) },
    },
    overlay: () => overlay,
    dial: (remote: SocketAddress, _: number, hit: string) => done.push(['dial', remote, hit]),
    connect: (hit: string) => done.push(['connect', hit]),
    ...{ streamsOf: () => streams, isGone: () => false, random: seededRandom(1), logger: silentLogger },
  };
  new TurnMembers(components as unknown as TurnMembersComponents).needed(0);
  return done;
}

test('a TURN server among the members is dialed where its record says, and by the stream that it accepts', (t) => {
  for (const [address, own] of [
    ['203.0.113.1', '192.168.1.2'],
    ['2001:db8::1', '2001:db8::2'],
  ] as const)
    t.deepEqual(reached({ address, port: 6_084 }, own, [STREAM]), [
      ['dial', { address, port: 6_084 }, MEMBER],
      ['dial', STREAM, MEMBER],
      ['members', [MEMBER]],
    ]);
});

test('one whose record has an address of a family that we have none of is asked for a link through the overlay', (t) => {
  t.deepEqual(reached({ address: '203.0.113.1', port: 6_084 }, '2001:db8::2'), [
    ['connect', MEMBER],
    ['members', [MEMBER]],
  ]);
});
