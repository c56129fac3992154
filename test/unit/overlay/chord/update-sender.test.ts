import test from 'ava';
import { UpdateSender } from '../../../../src/overlay/chord/update-sender.ts';
import { OverlayBusyError, OverlayError, OverlayTimeoutError } from '../../../../src/overlay/errors.ts';
import { ERROR_CODES } from '../../../../src/reload/index.ts';
import type { RequestDone, RequestResult } from '../../../../src/overlay/requester.ts';

const PEER = '20010022'.padEnd(32, '1');
const OK: RequestResult = {
  ok: true,
  body: { type: 'update_ans' },
  signer: { nodeId: PEER, user: null, spki: new Uint8Array(), chain: [], hash: '' },
  certificates: [],
  hops: 1,
};

function make(): { sender: UpdateSender; sent: RequestDone[]; failed: string[]; cancelled: bigint[] } {
  const sent: RequestDone[] = [];
  const failed: string[] = [];
  const cancelled: bigint[] = [];
  const sender = new UpdateSender({
    requester: { request: (_, __, done) => BigInt(sent.push(done)), cancel: (id) => cancelled.push(id) },
    compose: () => ({ type: 'peer_ready', uptime: 0 }),
    failed: (nodeId) => failed.push(nodeId),
  });
  return { sender, sent, failed, cancelled };
}

test('Updates that come together are one after the first is answered', (t) => {
  const { sender, sent } = make();
  for (let i = 0; i < 3; i++) sender.send(PEER, 'neighbors', 0);
  t.is(sent.length, 1);
  sent[0]?.(OK, 1);
  t.is(sent.length, 2);
  sent[1]?.(OK, 2);
  t.is(sent.length, 2);
});

test('a peer that does not answer has failed', (t) => {
  const { sender, sent, failed } = make();
  sender.send(PEER, 'neighbors', 0);
  sent[0]?.({ ok: false, error: new OverlayTimeoutError('Update') }, 15_000);
  t.deepEqual(failed, [PEER]);
});

test('a peer that refuses an Update, or one that was not sent for too many requests, has not failed', (t) => {
  const { sender, sent, failed } = make();
  for (const error of [
    new OverlayError(ERROR_CODES.config_too_new, 'refused'),
    new OverlayError(ERROR_CODES.forbidden, 'refused'),
    new OverlayBusyError('requests'),
  ]) {
    sender.send(PEER, 'neighbors', 0);
    sent.at(-1)?.({ ok: false, error }, 10);
  }
  t.deepEqual(failed, []);
});

test('a link that went down takes its Update with it', (t) => {
  const { sender, sent, failed, cancelled } = make();
  sender.send(PEER, 'neighbors', 0);
  sender.forget(PEER);
  t.deepEqual(cancelled, [1n]);
  sender.send(PEER, 'neighbors', 0);
  t.is(sent.length, 2);
  t.deepEqual(failed, []);
});
