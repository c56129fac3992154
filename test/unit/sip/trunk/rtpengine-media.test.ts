import test from 'ava';
import type { NgDone } from '../../../../src/sip/media/ng-client.ts';
import type { NgCommand } from '../../../../src/sip/media/ng-codec.ts';
import { RtpengineMedia, type RtpengineMediaOptions } from '../../../../src/sip/trunk/rtpengine-media.ts';
import type { MediaSession } from '../../../../src/sip/trunk/trunk-media.ts';

const SDP = new TextEncoder().encode('v=0');
const OUT: MediaSession = {
  id: '7',
  fromTag: 'a',
  from: 'overlay',
  to: 'outside',
  isOutsideIpv6: false,
  isEmergency: false,
};
const IN: MediaSession = { ...OUT, from: 'outside', to: 'overlay' };
const KEY = 'inline:cJOJ7kxQjhFBp2fP6AYjs3vKw7CeBdWZCj0isbJv';
const session = (media: string): Uint8Array => new TextEncoder().encode(`v=0\r\n${media.replaceAll('|', '\r\n')}\r\n`);
const SECURE = session(`m=audio 4000 RTP/SAVP 0|a=crypto:1 AES_CM_128_HMAC_SHA1_80 ${KEY}`);
const PLAIN = session('m=audio 4000 RTP/AVP 0');

function bench(
  hasIpv4 = true,
  protection: RtpengineMediaOptions['protection'] = 'rtp',
): {
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
  return { media: new RtpengineMedia(ports, { hasIpv4: () => hasIpv4, protection }), asked, failures };
}

test('an offer of the overlay goes outside in the family of the provider, and one from there in IPv4, which every phone knows', (t) => {
  const { media, asked } = bench();
  media.offer(OUT, SDP, () => {});
  media.offer({ ...IN, isOutsideIpv6: true }, SDP, () => {});
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
  media.answer({ ...IN, fromTag: 'b', toTag: 'a' }, SDP, () => {});
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

test('plain RTP: nothing is said of profiles, and every session description is taken', (t) => {
  const { media, asked } = bench();
  media.offer(OUT, PLAIN, () => {});
  media.answer(OUT, PLAIN, () => {});
  for (const { command } of asked)
    for (const key of ['transport-protocol', 'DTLS', 'SDES', 'OSRTP']) t.false(key in command, key);
  t.is(media.objection(IN, PLAIN), undefined);
});

test('SRTP: the provider is offered nothing else, with keys in SDP, and the overlay plain RTP in its links', (t) => {
  const { media, asked } = bench(true, 'srtp');
  media.offer(OUT, PLAIN, () => {});
  media.offer(IN, SECURE, () => {});
  const [out, into] = asked.map(({ command }) => command);
  t.is(out?.['transport-protocol'], 'RTP/SAVP');
  t.is(out?.['DTLS'], 'off');
  t.false(out !== undefined && 'OSRTP' in out);
  t.true((out?.['SDES'] as readonly string[]).includes('no-NULL_HMAC_SHA1_80'));
  t.is(into?.['transport-protocol'], 'RTP/AVP');
});

test('SRTP or not: both are offered in one', (t) => {
  const { media, asked } = bench(true, 'srtp-optional');
  media.offer(OUT, PLAIN, () => {});
  media.offer(IN, PLAIN, () => {});
  t.deepEqual(
    asked.map(({ command }) => [command['transport-protocol'], command['OSRTP']]),
    [
      ['RTP/AVP', ['offer']],
      ['RTP/AVP', ['accept']],
    ],
  );
  t.is(media.objection(IN, PLAIN), undefined);
});

test('where SRTP has to be, a provider without it is not taken, but in a call for help; a member is', (t) => {
  const { media, asked } = bench(true, 'srtp');
  t.is(media.objection(IN, PLAIN), 'Media Not Encrypted by Provider');
  t.is(media.objection(IN, SECURE), undefined);
  t.is(media.objection(OUT, PLAIN), undefined);
  const help = { isEmergency: true };
  t.is(media.objection({ ...IN, ...help }, PLAIN), undefined);
  media.offer({ ...OUT, ...help }, PLAIN, () => {});
  t.deepEqual(asked[0]?.command['OSRTP'], ['offer']);
});

test('what rtpengine did not encrypt is not told outside', (t) => {
  const { media, asked, failures } = bench(true, 'srtp');
  const heard: (Uint8Array | undefined)[] = [];
  const told = (sdp: Uint8Array | undefined): void => void heard.push(sdp);
  media.offer(OUT, PLAIN, told);
  asked[0]?.done({ result: 'ok', sdp: PLAIN }, 1);
  media.answer({ ...OUT, toTag: 'b' }, PLAIN, told);
  asked[1]?.done({ result: 'ok', sdp: SECURE }, 1);
  media.offer(IN, SECURE, told);
  asked[2]?.done({ result: 'ok', sdp: PLAIN }, 1);
  t.deepEqual(heard, [undefined, SECURE, PLAIN]);
  t.deepEqual(failures, ['it does not encrypt', undefined, undefined]);
});

test('between two ends outside nothing goes in clear either, and neither end is taken without', (t) => {
  const { media, asked } = bench(true, 'srtp');
  const heard: (Uint8Array | undefined)[] = [];
  const both: MediaSession = { ...IN, to: 'outside' };
  t.is(media.objection(both, PLAIN), 'Media Not Encrypted by Provider');
  media.offer(both, SECURE, (sdp) => void heard.push(sdp));
  t.deepEqual(asked[0]?.command['direction'], ['outside', 'outside']);
  t.is(asked[0]?.command['transport-protocol'], 'RTP/SAVP');
  asked[0]?.done({ result: 'ok', sdp: PLAIN }, 1);
  t.deepEqual(heard, [undefined]);
});
