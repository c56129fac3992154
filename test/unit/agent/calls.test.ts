import test from 'ava';
import { Calls } from '../../../src/agent/calls.ts';
import type { NodeParts } from '../../../src/agent/own-node.ts';
import type { Hit } from '../../../src/base/node-id.ts';
import { formatSocketAddress, type SocketAddress } from '../../../src/base/socket-address.ts';
import { OverlayError } from '../../../src/overlay/errors.ts';
import { ERROR_CODES } from '../../../src/reload/index.ts';
import type { ResolverResult } from '../../../src/resolver/resolver.ts';

const PEER = '20010022000000000000000000000002';
const THERE: SocketAddress = { address: '192.0.2.2', port: 6084 };

/** A host that writes down whom it asks for a link, and how. */
class Host {
  isJoined = true;
  isAway = false;
  isReached = true;
  readonly asked: string[] = [];
  readonly calls: Calls;

  constructor() {
    const joined = {
      overlay: {
        connect: (hit: Hit, now: number, done: (result: unknown, at: number) => void): void => {
          this.asked.push(`overlay ${hit}`);
          const error = new OverlayError(ERROR_CODES.not_found, 'nobody there');
          done(this.isReached ? { ok: true, value: undefined } : { ok: false, error }, now + 5);
        },
      },
    } as unknown as NodeParts;
    const getJoined = (): NodeParts | undefined => (this.isJoined ? joined : undefined);
    const isAway = (): boolean => this.isAway;
    this.calls = new Calls({
      links: {
        isUp: () => false,
        connectDirect: (remote, _, expected, patienceMs) => {
          this.asked.push([formatSocketAddress(remote), expected, patienceMs].filter(Boolean).join(' '));
          return true;
        },
      },
      node: {
        get joined(): NodeParts | undefined {
          return getJoined();
        },
      },
      doubles: {
        get isAway(): boolean {
          return isAway();
        },
        keepsBack: isAway,
      },
      finder: { seekAtRecord: (hit, now) => void this.asked.push(`record ${hit} at ${now}`) },
      acquaintances: { toRelink: (remote) => (remote === THERE ? PEER : undefined) },
    });
  }

  connect(): ResolverResult<undefined> | undefined {
    let result: ResolverResult<undefined> | undefined;
    this.calls.connect(PEER, 0, (told) => (result = told));
    return result;
  }
}

test('a host is called through the overlay, and when no message gets to it, it is looked for where it says it is', (t) => {
  const host = new Host();
  t.deepEqual(host.connect(), { ok: true, value: undefined });
  t.deepEqual(host.asked, [`overlay ${PEER}`]);
  host.isReached = false;
  t.deepEqual(host.connect(), { ok: false, reason: 'nobody there' });
  t.deepEqual(host.asked.slice(1), [`overlay ${PEER}`, `record ${PEER} at 5`]);
});

test('outside the overlay nobody is called through it, and the caller is told why', (t) => {
  const host = new Host();
  host.isJoined = false;
  t.deepEqual(host.connect(), { ok: false, reason: 'not in the overlay (yet)' });
  host.isJoined = true;
  host.isAway = true;
  t.deepEqual(host.connect(), { ok: false, reason: "another agent has this host's key" });
  t.deepEqual(host.asked, []);
});

test('while another agent with our key has our place, no address is dialed', (t) => {
  const host = new Host();
  host.isAway = true;
  t.false(host.calls.dial(THERE, 0));
  t.deepEqual(host.asked, []);
  host.isAway = false;
  t.true(host.calls.dial(THERE, 0, PEER, 1_000));
  t.deepEqual(host.asked, [`192.0.2.2:6084 ${PEER} 1000`]);
});

test('who uses a link of our former life is called through the overlay, and before that where its datagram came from', (t) => {
  const host = new Host();
  host.isJoined = false;
  host.calls.relink(THERE, 0);
  host.isJoined = true;
  host.calls.relink(THERE, 0);
  t.deepEqual(host.asked, [`192.0.2.2:6084 ${PEER}`, `overlay ${PEER}`]);
  host.calls.relink({ address: '192.0.2.3', port: 6084 }, 0);
  t.is(host.asked.length, 2, 'a stranger is not called');
});
