import test from 'ava';
import { isEncrypted } from '../../src/sip/sdp/encryption.ts';
import type { RtpengineMediaOptions } from '../../src/sip/trunk/rtpengine-media.ts';
import type { MediaSession } from '../../src/sip/trunk/trunk-media.ts';
import { InteropRtpengine } from './support/rtpengine.ts';
import { within } from './support/within.ts';

/** Debian's rtpengine makes of a gateway's session descriptions what `RtpengineMedia` says it does. */

const present = InteropRtpengine.isInstalled;
if (!present) console.log('skipped: rtpengine is not installed');
const run = present ? test.serial : test.skip;
const rtpengine = present ? new InteropRtpengine(45_222) : undefined;
let calls = 0;

test.before(async () => rtpengine?.isThere());
test.after.always(() => rtpengine?.stop());

const KEY = 'inline:cJOJ7kxQjhFBp2fP6AYjs3vKw7CeBdWZCj0isbJv';
const sdp = (profile: string, ...more: string[]): Uint8Array =>
  Buffer.from(
    ['v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 'c=IN IP4 127.0.0.1', 't=0 0', `m=audio 4000 ${profile} 0`, ...more]
      .map((line) => `${line}\r\n`)
      .join(''),
  );
const PLAIN = sdp('RTP/AVP');
const AES = `a=crypto:1 AES_CM_128_HMAC_SHA1_80 ${KEY}`;
const NULL = `a=crypto:1 NULL_HMAC_SHA1_80 ${KEY}`;
const SECURE = sdp('RTP/SAVP', AES);

/** A call in which each side says what it does. */
function call(protection: RtpengineMediaOptions['protection']) {
  const media = rtpengine?.media(protection);
  if (media === undefined) throw new Error('it is not installed');
  const id = `test-${(calls += 1)}`;
  const said = async (
    kind: 'offer' | 'answer',
    from: MediaSession['from'],
    body: Uint8Array,
    more: Partial<MediaSession> = {},
  ): Promise<string | undefined> => {
    const to = from === 'overlay' ? ('outside' as const) : ('overlay' as const);
    const tags = { fromTag: from, toTag: kind === 'answer' ? to : undefined };
    const session = { id, ...tags, from, to, isOutsideIpv6: false, isEmergency: false, ...more };
    const got = new Promise<Uint8Array | undefined>((resolve) => media[kind](session, body, resolve));
    const found = await within(got, `rtpengine's ${kind}`);
    return found && Buffer.from(found).toString('latin1');
  };
  return { said };
}

const profileOf = (text: string | undefined): string | undefined => /^m=audio \d+ (\S+)/m.exec(text ?? '')?.[1];
const suitesOf = (text: string | undefined): string[] =>
  [...(text ?? '').matchAll(/^a=crypto:\d+ (\S+)/gm)].map(([, suite = '']) => suite);

run('SRTP out: the provider is offered AES alone, and the member hears plain RTP', async (t) => {
  const { said } = call('srtp');
  const offer = await said('offer', 'overlay', PLAIN);
  t.is(profileOf(offer), 'RTP/SAVP');
  t.true(suitesOf(offer).includes('AES_CM_128_HMAC_SHA1_80'));
  t.deepEqual(
    suitesOf(offer).filter((suite) => !/^(AES_|AEAD_AES_)/.test(suite)),
    [],
  );
  t.false(offer?.includes('fingerprint'));
  const answer = await said('answer', 'outside', SECURE);
  t.is(profileOf(answer), 'RTP/AVP');
  t.deepEqual(suitesOf(answer), []);
});

run('SRTP in: the member is offered plain RTP, and the provider is answered with a key for AES', async (t) => {
  const { said } = call('srtp');
  const offer = await said('offer', 'outside', sdp('RTP/SAVP', NULL, AES.replace('crypto:1', 'crypto:2')));
  t.is(profileOf(offer), 'RTP/AVP');
  t.deepEqual(suitesOf(offer), []);
  const answer = await said('answer', 'overlay', PLAIN);
  t.is(profileOf(answer), 'RTP/SAVP');
  t.deepEqual(suitesOf(answer), ['AES_CM_128_HMAC_SHA1_80']);
  t.true(isEncrypted(Buffer.from(answer ?? '')));
});

run('SRTP or not, out: both are offered in one, and either is taken', async (t) => {
  for (const theirs of [sdp('RTP/AVP'), sdp('RTP/AVP', AES)]) {
    const { said } = call('srtp-optional');
    const offer = await said('offer', 'overlay', PLAIN);
    t.is(profileOf(offer), 'RTP/AVP');
    t.true(suitesOf(offer).includes('AES_CM_128_HMAC_SHA1_80'));
    const answer = await said('answer', 'outside', theirs);
    t.is(profileOf(answer), 'RTP/AVP');
    t.deepEqual(suitesOf(answer), []);
  }
});

run('SRTP or not, in: each is answered as it was offered', async (t) => {
  for (const [theirs, profile, suites] of [
    [PLAIN, 'RTP/AVP', []],
    [SECURE, 'RTP/SAVP', ['AES_CM_128_HMAC_SHA1_80']],
    [sdp('RTP/AVP', AES), 'RTP/AVP', ['AES_CM_128_HMAC_SHA1_80']],
  ] as const) {
    const { said } = call('srtp-optional');
    const offer = await said('offer', 'outside', theirs);
    t.is(profileOf(offer), 'RTP/AVP');
    t.deepEqual(suitesOf(offer), []);
    const answer = await said('answer', 'overlay', PLAIN);
    t.is(profileOf(answer), profile);
    t.deepEqual(suitesOf(answer), suites);
  }
});

run('a call for help offers both where else there would be SRTP alone', async (t) => {
  const { said } = call('srtp');
  const offer = await said('offer', 'overlay', PLAIN, { isEmergency: true });
  t.is(profileOf(offer), 'RTP/AVP');
  t.true(suitesOf(offer).length > 0);
});
