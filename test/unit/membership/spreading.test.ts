import test from 'ava';
import { silentLogger } from '../../../src/base/logger.ts';
import type { Hit } from '../../../src/base/node-id.ts';
import { type Random, seededRandom } from '../../../src/base/random.ts';
import { COMPARE_INTERVAL_MS, PUSHES_BURST, PUSH_PACE } from '../../../src/membership/constants.ts';
import { Ledger } from '../../../src/membership/ledger.ts';
import { Spreading } from '../../../src/membership/spreading.ts';
import { decodeSpreading, encodeSpreading } from '../../../src/membership/spreading-message.ts';
import { EventLoop } from '../../sim/network/event-loop.ts';
import { readStatement, statement } from './statements.ts';

const LATENCY_MS = 20;
const MAX_MESSAGE_BYTES = 4_000;

class Net {
  readonly loop = new EventLoop();
  readonly random: Random;
  readonly nodes: Node[] = [];
  loss = 0;
  messages = 0;
  bytes = 0;

  constructor(seed: number, count: number) {
    this.random = seededRandom(seed);
    for (let i = 0; i < count; i++) this.nodes.push(new Node(this, i.toString(16).padStart(32, '0')));
  }

  node(i: number): Node {
    const node = this.nodes[i];
    if (node === undefined) throw new Error('no such node');
    return node;
  }

  link(a: Node, b: Node): void {
    a.links.add(b);
    b.links.add(a);
    a.spreading.linkUp(b.hit, this.loop.now);
    b.spreading.linkUp(a.hit, this.loop.now);
  }

  /** Every node with the next two. */
  ring(): void {
    this.nodes.forEach((node, i) => {
      for (const step of [1, 2]) this.link(node, this.node((i + step) % this.nodes.length));
    });
  }

  run(ms: number): void {
    this.loop.run(ms);
  }

  same(): boolean {
    const wanted = this.node(0).ledger.summary().join();
    return this.nodes.every(({ ledger }) => ledger.summary().join() === wanted);
  }
}

class Node {
  readonly hit: Hit;
  readonly ledger = new Ledger(readStatement);
  readonly spreading: Spreading;
  readonly links = new Set<Node>();
  readonly taken: number[] = [];

  constructor(net: Net, hit: Hit) {
    this.hit = hit;
    this.spreading = new Spreading(
      {
        ledger: this.ledger,
        ports: {
          ask: (to, body, _now, done) => {
            const other = [...this.links].find((node) => node.hit === to);
            net.messages += 1;
            net.bytes += body.length;
            if (body.length > MAX_MESSAGE_BYTES) throw new Error(`a message of ${body.length} bytes`);
            if (other === undefined || net.random.float() < net.loss) {
              net.loop.after(15_000, () => done(undefined, net.loop.now));
              return;
            }
            net.loop.after(LATENCY_MS, () => {
              const answer = other.spreading.receive(this.hit, body, net.loop.now);
              net.loop.after(LATENCY_MS, () => done(answer, net.loop.now));
            });
          },
          taken: (records) => this.taken.push(...records.map(({ at }) => at)),
        },
        random: net.random,
        logger: silentLogger,
      },
      { self: hit, maxMessageBytes: MAX_MESSAGE_BYTES },
    );
    const turn = (): void => {
      const next = this.spreading.nextTimeout();
      if (next !== undefined && next <= net.loop.now) this.spreading.handleTimeout(net.loop.now);
      net.loop.after(1_000, turn);
    };
    turn();
  }
}

test('a revocation reaches 40 members within a second, each takes it once', (t) => {
  const net = new Net(1, 40);
  net.ring();
  net.run(1_000);
  net.messages = 0;
  net.node(0).spreading.publish([{ kind: 'revocation', bytes: statement(7) }], net.loop.now);
  net.run(1_000);
  for (const { taken } of net.nodes) t.deepEqual(taken, [7]);
  t.true(net.messages <= 40 * 4, `${net.messages} messages`);
});

test('whoever was away has everything within a second of its first link, however much it is', (t) => {
  const net = new Net(2, 2);
  const [member, away] = [net.node(0), net.node(1)];
  for (let at = 0; at < 2_000; at++) member.ledger.admit('revocation', statement(at));
  net.link(member, away);
  net.run(5_000);
  t.is(away.ledger.size, 2_000);
  t.true(net.same());
});

test('two halves that lived apart both come to hold what both know', (t) => {
  const net = new Net(3, 20);
  for (let i = 0; i < 20; i++) if (i !== 9 && i !== 19) net.link(net.node(i), net.node(i + 1));
  net.run(1_000);
  for (const i of [3, 13]) {
    const records = [i, i + 100].map((at) => ({ kind: 'revocation' as const, bytes: statement(at) }));
    net.node(i).spreading.publish(records, net.loop.now);
  }
  net.run(2_000);
  t.false(net.same());
  net.link(net.node(9), net.node(10));
  net.run(2_000);
  t.true(net.same());
  t.is(net.node(0).ledger.size, 4);
});

test('what pushes have lost is found by comparing, without a new link', (t) => {
  const net = new Net(4, 10);
  net.ring();
  net.run(1_000);
  net.loss = 1;
  net.node(0).spreading.publish([{ kind: 'grant', bytes: statement(1) }], net.loop.now);
  net.run(20_000);
  net.loss = 0;
  net.run(COMPARE_INTERVAL_MS * 6);
  t.true(net.same());
});

test('members that hold the same tell each other little', (t) => {
  const net = new Net(5, 10);
  for (const { ledger } of net.nodes) for (let at = 0; at < 500; at++) ledger.admit('revocation', statement(at));
  net.ring();
  net.run(10_000);
  t.true(net.bytes < 10 * 4 * 400, `${net.bytes} bytes`);
});

test('records that are not proven are neither kept nor passed on, and are not asked for again and again', (t) => {
  const net = new Net(6, 3);
  net.link(net.node(0), net.node(1));
  net.run(1_000);
  net.messages = 0;
  const forged = encodeSpreading({
    type: 'records',
    records: [{ kind: 'revocation', bytes: Buffer.from('forged') }],
  });
  t.deepEqual(decodeSpreading(net.node(0).spreading.receive(net.node(1).hit, forged, net.loop.now) ?? forged), {
    type: 'ids',
    ids: [],
  });
  net.run(60_000);
  t.is(net.node(0).ledger.size, 0);
  t.is(net.messages, 0);
});

test('a neighbour that pushes without end is not listened to after a burst; a stranger never', (t) => {
  const net = new Net(7, 2);
  net.link(net.node(0), net.node(1));
  net.run(1_000);
  const { spreading, ledger } = net.node(0);
  for (let at = 0; at < 10 * PUSHES_BURST; at++) {
    const push = encodeSpreading({ type: 'records', records: [{ kind: 'revocation', bytes: statement(at) }] });
    spreading.receive(net.node(1).hit, push, net.loop.now);
    t.is(spreading.receive('f'.repeat(32), push, net.loop.now), undefined);
  }
  t.is(ledger.size, PUSHES_BURST);
  t.truthy(
    spreading.receive(net.node(1).hit, encodeSpreading({ type: 'summary', digests: ledger.summary() }), net.loop.now),
  );
});

test('malformed messages are refused', (t) => {
  const net = new Net(8, 2);
  net.link(net.node(0), net.node(1));
  for (const hex of [
    '',
    '01',
    '02010000',
    '0109',
    '0103000100',
    '01040000040900010 0'.replace(' ', ''),
    '010400000201ff',
  ])
    t.is(net.node(0).spreading.receive(net.node(1).hit, Buffer.from(hex, 'hex'), 0), undefined, hex);
});

test('of two that are linked one asks: what is equal costs one question, what only one lacks two more', (t) => {
  for (const [lower, higher, messages] of [
    [[], [], 1],
    [[1], [1], 1],
    // The lower asks for what it lacks.
    [[], [1], 2],
    // The higher is asked first, and then asks in its turn.
    [[1], [], 3],
  ] as const) {
    const net = new Net(5, 2);
    net.node(0).spreading.publish(
      lower.map((at) => ({ kind: 'revocation', bytes: statement(at) })),
      0,
    );
    net.node(1).spreading.publish(
      higher.map((at) => ({ kind: 'revocation', bytes: statement(at) })),
      0,
    );
    net.link(net.node(0), net.node(1));
    net.run(10_000);
    t.true(net.same());
    t.is(net.messages, messages, `${lower.length} and ${higher.length} records`);
  }
});

test('who is to be asked first and hears nothing asks itself', (t) => {
  const net = new Net(6, 2);
  const [lower, higher] = [net.node(0), net.node(1)];
  lower.spreading.publish([{ kind: 'revocation', bytes: statement(1) }], 0);
  lower.links.add(higher);
  higher.links.add(lower);
  // The other end has not noticed yet that it asks first.
  lower.spreading.linkUp(higher.hit, 0);
  lower.spreading.linkDown(higher.hit);
  higher.spreading.linkUp(lower.hit, net.loop.now);
  net.run(1_000);
  t.false(net.same());
  lower.spreading.linkUp(higher.hit, net.loop.now);
  net.run(20_000);
  t.true(net.same());
});

test('what an unanswered question left out is asked for as soon as the node is in the overlay', (t) => {
  const net = new Net(7, 2);
  net.node(1).spreading.publish([{ kind: 'revocation', bytes: statement(1) }], 0);
  net.loss = 1;
  net.link(net.node(0), net.node(1));
  net.run(20_000);
  t.false(net.same());
  net.loss = 0;
  net.node(0).spreading.tryAgain(net.loop.now);
  net.run(1_000);
  t.true(net.same());
});

/** A member with a thousand neighbours, who has made a revocation. */
function revoked(hit: Hit): { readonly told: Hit[]; readonly spreading: Spreading } {
  const told: Hit[] = [];
  const ledger = new Ledger((kind, bytes) => {
    const read = readStatement(kind, bytes);
    return read && { ...read, hit };
  });
  const spreading = new Spreading(
    {
      ledger,
      ports: { ask: (to, body) => decodeSpreading(body).type === 'records' && told.push(to), taken: () => undefined },
      random: seededRandom(9),
      logger: silentLogger,
    },
    { self: hitOf(0), maxMessageBytes: MAX_MESSAGE_BYTES },
  );
  for (let i = 1; i <= 1_000; i++) spreading.linkUp(hitOf(i), 0);
  spreading.publish([{ kind: 'revocation', bytes: statement(1) }], 0);
  return { told, spreading };
}

const hitOf = (n: number): Hit => n.toString(16).padStart(32, '0');

test('of a thousand neighbours few are told of a revocation in one turn, who was revoked before others, and all of them', (t) => {
  const { told, spreading } = revoked(hitOf(700));
  t.is(told.length, PUSH_PACE.atOnce);
  t.is(told[0], hitOf(700));
  for (let at = PUSH_PACE.everyMs; told.length < 1_000; at += PUSH_PACE.everyMs) {
    const before = told.length;
    spreading.handleTimeout(at);
    t.true(told.length > before);
    t.true(told.length - before <= PUSH_PACE.atOnce);
  }
  t.is(new Set(told).size, 1_000);
});

test('neighbours that are gone by then are not told', (t) => {
  const { told, spreading } = revoked(hitOf(700));
  for (let i = 1; i <= 1_000; i++) if (i % 2 === 0) spreading.linkDown(hitOf(i));
  const before = told.length;
  for (let at = PUSH_PACE.everyMs; spreading.nextTimeout() === at; at += PUSH_PACE.everyMs) spreading.handleTimeout(at);
  t.true(told.slice(before).every((hit) => Number.parseInt(hit, 16) % 2 === 1));
  t.is(told.filter((hit) => Number.parseInt(hit, 16) % 2 === 1).length, 500);
});

test('a member that learns that it is revoked tells all neighbours before its links end', (t) => {
  t.is(revoked(hitOf(0)).told.length, 1_000);
});
