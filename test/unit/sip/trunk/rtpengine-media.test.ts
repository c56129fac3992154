import test from 'ava';
import type { NgDone } from '../../../../src/sip/media/ng-client.ts';
import type { NgCommand } from '../../../../src/sip/media/ng-codec.ts';
import { RtpengineMedia } from '../../../../src/sip/trunk/rtpengine-media.ts';
import type { MediaSession } from '../../../../src/sip/trunk/trunk-media.ts';

const SDP = new TextEncoder().encode('v=0');
const OUT: MediaSession = { id: '7', fromTag: 'a', from: 'overlay', isOutsideIpv6: false };

function bench(hasIpv4 = true): {
  media: RtpengineMedia;
  asked: { command: NgCommand; done: NgDone }[];
  failures: unknown[];
} {
  const asked: { command: NgCommand; done: NgDone }[] = [];
  const failures: unknown[] = [];
  const ports = {
    ask: (command: NgCommand, done: NgDone) => void asked.push({ command, done }),
    onAnswer: (failure: string | undefined) => void failures.push(failure),
  };
  return { media: new RtpengineMedia(ports, () => hasIpv4), asked, failures };
}

test('an offer of the overlay goes outside in the family of the provider, and one from there in IPv4, which every phone knows', (t) => {
  const { media, asked } = bench();
  media.offer(OUT, SDP, () => {});
  media.offer({ ...OUT, from: 'outside', isOutsideIpv6: true }, SDP, () => {});
  media.offer({ ...OUT, isOutsideIpv6: true }, SDP, () => {});
  t.deepEqual(
    asked.map(({ command }) => [command['direction'], command['address-family'], command['call-id']]),
    [
      [['overlay', 'outside'], 'IP4', 'trunk/7'],
      [['outside', 'overlay'], 'IP4', 'trunk/7'],
      [['overlay', 'outside'], 'IP6', 'trunk/7'],
    ],
  );
});

test("an answer has its offer's tags: first of who offered", (t) => {
  const { media, asked } = bench();
  media.answer({ ...OUT, fromTag: 'b', toTag: 'a', from: 'outside' }, SDP, () => {});
  t.is(asked[0]?.command['from-tag'], 'a');
  t.is(asked[0]?.command['to-tag'], 'b');
});

test('what rtpengine refuses, or does not answer, is no session description, and is said', (t) => {
  const { media, asked, failures } = bench();
  const heard: (Uint8Array | undefined)[] = [];
  for (const answer of [undefined, { result: 'error', reason: 'Unknown call' }, { result: 'ok', sdp: SDP }] as const) {
    media.offer(OUT, SDP, (sdp) => void heard.push(sdp));
    asked.at(-1)?.done(answer, 1);
  }
  t.deepEqual(heard, [undefined, undefined, SDP]);
  t.deepEqual(failures, ['it does not answer', 'Unknown call', undefined]);
});
