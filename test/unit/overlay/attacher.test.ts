import test from 'ava';
import type { IceParameters } from '../../../src/base/candidate.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { Attacher, type ConnectResult } from '../../../src/overlay/attacher.ts';
import { OverlayError, OverlayTimeoutError } from '../../../src/overlay/errors.ts';
import type { OutgoingRequest, RequestDone, RequestResult } from '../../../src/overlay/requester.ts';
import { ERROR_CODES } from '../../../src/reload/index.ts';

const LOW = '20010022'.padEnd(32, '1');
const HIGH = '20010022'.padEnd(32, '9');
const REMOTE: IceParameters = { ufrag: 'remote', pwd: 'remotepassword', candidates: [] };
const SIGNER = { nodeId: HIGH, user: null, spki: new Uint8Array(), chain: [], hash: '' };

function make(self = LOW): {
  attacher: Attacher;
  calls: string[];
  up: Set<string>;
  mending: Set<string>;
  requests: { request: OutgoingRequest; done: RequestDone }[];
} {
  const calls: string[] = [];
  const up = new Set<string>();
  const mending = new Set<string>();
  const requests: { request: OutgoingRequest; done: RequestDone }[] = [];
  const attacher = new Attacher({
    self,
    links: {
      isAnswering: () => true,
      isUp: (id) => up.has(id),
      isMending: (id) => mending.has(id),
      send: () => {},
      offer: () => (calls.push('offer'), REMOTE),
      answer: () => (calls.push('answer'), REMOTE),
      accept: () => calls.push('accept'),
      cancel: () => calls.push('cancel'),
    },
    requester: {
      request: (request, _, done) => BigInt(requests.push({ request, done })),
      cancel: () => calls.push('forget'),
    },
    logger: silentLogger,
  });
  return { attacher, calls, up, mending, requests };
}

const attachAnswer = (): RequestResult => ({
  ok: true,
  body: { type: 'attach_ans', ufrag: 'u', pwd: 'p', role: 'active', candidates: [], sendUpdate: false },
  signer: SIGNER,
  certificates: [],
  hops: 1,
});
const appAnswer = (): RequestResult => ({
  ok: true,
  body: { type: 'app_attach_ans', ufrag: 'u', pwd: 'p', role: 'active', candidates: [], application: 61_441 },
  signer: SIGNER,
  certificates: [],
  hops: 1,
});

test('an attach is done when the link is up; asking again meanwhile waits for the same link', (t) => {
  const { attacher, calls, requests } = make();
  const results: ConnectResult[] = [];
  attacher.attach(HIGH, { sendUpdate: true }, 0, (result) => results.push(result));
  attacher.attach(HIGH, { sendUpdate: true }, 0, (result) => results.push(result));
  t.is(requests.length, 1);
  requests[0]?.done(attachAnswer(), 10);
  t.deepEqual(calls, ['offer', 'accept']);
  t.is(results.length, 0);
  attacher.linkUp(HIGH, 20);
  t.is(results.filter(({ ok }) => ok).length, 2);
  t.is(attacher.size, 0);
});

test('a neighbour is reached through the peer that told of it', (t) => {
  const { attacher, requests } = make();
  attacher.attach(HIGH, { via: LOW.replace('1', '5'), sendUpdate: true }, 0, () => {});
  t.is(requests[0]?.request.destination.length, 2);
});

test('a connect is done with the answer, also for a link that is up and restarts', (t) => {
  const { attacher, calls, up, requests } = make();
  up.add(HIGH);
  const results: ConnectResult[] = [];
  attacher.connect(HIGH, 0, (result) => results.push(result));
  attacher.connect(HIGH, 0, (result) => results.push(result));
  t.is(requests.length, 1);
  requests[0]?.done(appAnswer(), 10);
  t.deepEqual(calls, ['offer', 'accept']);
  t.deepEqual(results, [{ ok: true }, { ok: true }]);
  t.is(attacher.size, 0);
});

test('of two requests at once that of the higher Node-ID wins: the lower one gives its own up', (t) => {
  const { attacher, calls } = make(LOW);
  const results: ConnectResult[] = [];
  attacher.connect(HIGH, 0, (result) => results.push(result));
  t.true(attacher.requested(HIGH, REMOTE, { forPackets: false }, 5).ok);
  t.deepEqual(calls, ['offer', 'forget', 'cancel', 'answer']);
  t.deepEqual(results, [{ ok: true }]);
});

test('a request that nobody has answered for a second gives way to the other end’s, whoever has the higher Node-ID', (t) => {
  const { attacher, calls } = make(HIGH);
  attacher.connect(LOW, 0, () => {});
  t.deepEqual(attacher.requested(LOW, REMOTE, { forPackets: false }, 900), {
    ok: false,
    errorCode: ERROR_CODES.in_progress,
  });
  t.true(attacher.requested(LOW, REMOTE, { forPackets: false }, 1_100).ok);
  t.deepEqual(calls, ['offer', 'forget', 'cancel', 'answer']);
});

test('of two requests at once that of the higher Node-ID wins: the higher one refuses the other', (t) => {
  const { attacher, calls } = make(HIGH);
  attacher.connect(LOW, 0, () => t.fail());
  t.deepEqual(attacher.requested(LOW, REMOTE, { forPackets: false }, 5), {
    ok: false,
    errorCode: ERROR_CODES.in_progress,
  });
  t.deepEqual(calls, ['offer']);
});

test('while a link is being made another request for it is in progress', (t) => {
  const { attacher, requests } = make();
  attacher.attach(HIGH, { sendUpdate: true }, 0, () => {});
  requests[0]?.done(attachAnswer(), 10);
  t.deepEqual(attacher.requested(HIGH, REMOTE, { forPackets: false }, 20), {
    ok: false,
    errorCode: ERROR_CODES.in_progress,
  });
});

test('where a path is mended, another request of the other end is answered 200 ms after it has answered ours', (t) => {
  const { attacher, mending, requests, calls } = make();
  mending.add(HIGH);
  attacher.connect(HIGH, 0, () => {});
  requests[0]?.done(appAnswer(), 10);
  // It may have crossed ours, and given way.
  t.false(attacher.requested(HIGH, REMOTE, { forPackets: true }, 200).ok);
  t.true(attacher.requested(HIGH, REMOTE, { forPackets: true }, 210).ok);
  t.deepEqual(calls, ['offer', 'accept', 'answer']);
});

test('where a path is mended, another request of ours is sent 200 ms after the other end has answered one', (t) => {
  const { attacher, mending, requests } = make();
  mending.add(HIGH);
  attacher.connect(HIGH, 0, () => {});
  requests[0]?.done(appAnswer(), 10);
  attacher.connect(HIGH, 200, () => {});
  t.is(requests.length, 1);
  attacher.connect(HIGH, 210, () => {});
  t.is(requests.length, 2);
});

test('told that the other request is in progress, the node waits for it and answers', (t) => {
  const { attacher, requests } = make();
  const results: ConnectResult[] = [];
  attacher.attach(HIGH, { sendUpdate: true }, 0, (result) => results.push(result));
  requests[0]?.done({ ok: false, error: new OverlayError(ERROR_CODES.in_progress, 'in progress') }, 10);
  t.true(attacher.requested(HIGH, REMOTE, { forPackets: false }, 20).ok);
  attacher.linkUp(HIGH, 30);
  t.deepEqual(results, [{ ok: true }]);
});

test('without an answer the offer is cancelled and everyone who waits is told', (t) => {
  const { attacher, calls, requests } = make();
  const results: ConnectResult[] = [];
  attacher.attach(HIGH, { sendUpdate: true }, 0, (result) => results.push(result));
  requests[0]?.done({ ok: false, error: new OverlayTimeoutError('attach_req') }, 15_000);
  t.deepEqual(calls, ['offer', 'cancel']);
  t.false(results[0]?.ok ?? true);
});

test('a link that does not come up in time fails', (t) => {
  const { attacher, requests } = make();
  const results: ConnectResult[] = [];
  attacher.attach(HIGH, { sendUpdate: true }, 0, (result) => results.push(result));
  requests[0]?.done(attachAnswer(), 0);
  t.is(attacher.nextTimeout(), 30_000);
  attacher.handleTimeout(30_000);
  t.false(results[0]?.ok ?? true);
  t.is(attacher.size, 0);
});

test('a connect that comes long after candidates were exchanged, with the link still not up, begins anew', (t) => {
  const { attacher, requests } = make();
  const results: ConnectResult[] = [];
  attacher.connect(HIGH, 0, (result) => results.push(result));
  requests[0]?.done(appAnswer(), 10);
  attacher.connect(HIGH, 500, (result) => results.push(result));
  t.is(requests.length, 1, 'the first one has its chance');
  attacher.connect(HIGH, 1_100, (result) => results.push(result));
  t.is(requests.length, 2);
  requests[1]?.done(appAnswer(), 1_120);
  t.is(results.length, 3);
});

test('a request of the other end, long after ours led to no link, is answered', (t) => {
  const { attacher, requests } = make();
  attacher.connect(HIGH, 0, () => {});
  requests[0]?.done(appAnswer(), 10);
  t.is(attacher.requested(HIGH, REMOTE, { forPackets: false }, 500).ok, false);
  t.true(attacher.requested(HIGH, REMOTE, { forPackets: false }, 1_100).ok);
});
