import test from 'ava';
import { seededRandom } from '../../../../src/base/random.ts';
import type { Attacher, ConnectDone } from '../../../../src/overlay/attacher.ts';
import { ClientAttachment } from '../../../../src/overlay/chord/client-attachment.ts';
import { orchidRing } from '../../../../src/overlay/chord/ring.ts';
import { OverlayError } from '../../../../src/overlay/errors.ts';
import type { OutgoingRequest, RequestDone } from '../../../../src/overlay/requester.ts';
import { ERROR_CODES } from '../../../../src/reload/index.ts';

const id = (last: number): string => `20010022${last.toString(16).padStart(24, '0')}`;
const SELF = id(100);

function attachment(): {
  client: ClientAttachment;
  linked: Set<string>;
  attempts: { readonly nodeId: string; readonly done: ConnectDone }[];
  asked: string[];
  /** Of the latest Ping. */
  answer: (by: { readonly nodeId: string }, now: number) => void;
} {
  const linked = new Set([id(200)]);
  const attempts: { nodeId: string; done: ConnectDone }[] = [];
  const asked: string[] = [];
  let answered: RequestDone | undefined;
  const client = new ClientAttachment({
    host: {
      self: SELF,
      ring: orchidRing,
      isConnected: (nodeId) => linked.has(nodeId),
      isAnswering: (nodeId) => linked.has(nodeId),
      hasWayOut: () => true,
      attached: () => {},
    },
    requester: {
      request: (request: OutgoingRequest, _now: number, done: RequestDone) => {
        asked.push(request.body.type);
        if (request.body.type === 'ping_req') answered = done;
        return 0n;
      },
      cancel: () => {},
    },
    attacher: {
      attach: (nodeId: string, _options: unknown, _now: number, done: ConnectDone) => attempts.push({ nodeId, done }),
    } as unknown as Attacher,
    random: seededRandom(1),
    checkIntervalMs: 60_000,
  });
  client.start(0);
  const body = { type: 'ping_ans' as const, responseId: 0n, time: 0n };
  const answer = ({ nodeId }: { nodeId: string }, now: number): void => {
    const signer = { nodeId, user: null, chain: [], spki: new Uint8Array(), hash: '' };
    answered?.({ ok: true, body, signer, certificates: [], hops: 1 }, now);
  };
  answer({ nodeId: id(200) }, 0);
  return { client, linked, attempts, asked, answer };
}

function update(successors: readonly string[]): Parameters<ClientAttachment['updated']>[1] {
  return { type: 'neighbors', uptime: 1, predecessors: [id(50)], successors };
}

test('the two peers after the responsible one are linked, nearest first', (t) => {
  const { client, linked, attempts, asked } = attachment();
  t.deepEqual(asked, ['ping_req', 'route_query_req']);
  client.updated(id(200), update([id(201), id(202), id(203)]), 10);
  for (const spare of [201, 202]) {
    t.is(attempts.length, 1);
    const attempt = attempts.shift();
    t.is(attempt?.nodeId, id(spare));
    linked.add(id(spare));
    attempt?.done({ ok: true }, 20);
  }
  t.is(attempts.length, 0);
});

test('a responsible peer that invents 16 peers in each Update costs a few attempts a minute', (t) => {
  const { client, attempts } = attachment();
  let invented = 1_000;
  let count = 0;
  for (let now = 0; now < 3_600_000; now += 1_000) {
    client.updated(id(200), update(Array.from({ length: 16 }, () => id(invented++))), now);
    client.handleTimeout(now);
    for (const { done } of attempts.splice(0)) {
      count += 1;
      done({ ok: false, error: new OverlayError(ERROR_CODES.request_timeout, 'nobody') }, now);
    }
  }
  t.true(count <= 70, `${count} attempts`);
});

test('a Ping that nobody answers in a ring that is forming is followed by another as soon as a peer shows itself, a few times', (t) => {
  const { client, linked, asked } = attachment();
  linked.delete(id(200));
  client.linkDown(id(200), 1_000);
  const before = asked.length;
  for (let now = 1_010; now <= 4_000; now += 10) {
    client.updated(id(201), update([]), now);
    if ((client.nextTimeout() ?? Infinity) <= now) client.handleTimeout(now);
    if (now === 1_140) t.is(asked.length, before);
    if (now === 1_150) t.is(asked.length, before + 1);
  }
  t.is(asked.length, before + 4);
});

test('an Update while the link to the responsible peer is being made wakes nobody', (t) => {
  const { client, linked, attempts, answer } = attachment();
  linked.delete(id(200));
  client.linkDown(id(200), 1_000);
  client.updated(id(201), update([]), 1_010);
  answer({ nodeId: id(202) }, 1_020);
  t.is(attempts.at(-1)?.nodeId, id(202));
  client.updated(id(201), update([]), 1_300);
  t.is(client.nextTimeout(), undefined);
});
