import { fc, testProp } from '@fast-check/ava';
import test from 'ava';
import { isEncrypted } from '../../../src/sip/sdp/encryption.ts';

const KEY = 'inline:cJOJ7kxQjhFBp2fP6AYjs3vKw7CeBdWZCj0isbJv';
const AES = `a=crypto:1 AES_CM_128_HMAC_SHA1_80 ${KEY}`;
const of = (...lines: string[]): boolean =>
  isEncrypted(new TextEncoder().encode(['v=0', 's=-', 'c=IN IP4 192.0.2.1', ...lines].join('\r\n')));

for (const [lines, expected] of [
  [['m=audio 4000 RTP/SAVP 0', AES], true],
  [['m=audio 4000 RTP/SAVPF 0', `a=crypto:2 AEAD_AES_256_GCM ${KEY}|2^20`], true],
  [
    ['m=audio 4000 RTP/SAVP 0', `a=crypto:1 NULL_HMAC_SHA1_80 ${KEY}`, `a=crypto:2 AES_256_CM_HMAC_SHA1_80 ${KEY}`],
    true,
  ],
  [['m=audio 4000 RTP/SAVP 0', AES, 'm=video 0 RTP/AVP 96'], true],
  [['a=sendrecv'], true],
  [['m=audio 4000 RTP/AVP 0'], false],
  [['m=audio 4000 RTP/AVP 0', AES], false],
  [['m=audio 4000 RTP/SAVP 0'], false],
  [['m=audio 4000 RTP/SAVP 0', `a=crypto:1 NULL_HMAC_SHA1_80 ${KEY}`], false],
  [['m=audio 4000 RTP/SAVP 0', `${AES} UNENCRYPTED_SRTP`], false],
  [['m=audio 4000 RTP/SAVP 0', `${AES} FEC_ORDER=FEC_SRTP UNENCRYPTED_SRTCP`], false],
  [['m=audio 4000 RTP/SAVP 0', `${AES} UNAUTHENTICATED_SRTP`], false],
  [['m=audio 4000 RTP/SAVP 0', `${AES} UNENCRYPTED_SRTP`, `a=crypto:2 AES_256_CM_HMAC_SHA1_80 ${KEY}`], false],
  [[AES, 'm=audio 4000 RTP/SAVP 0'], false],
  [['m=audio 4000 RTP/SAVP 0', AES, 'm=video 4002 RTP/AVP 96'], false],
  [['m=audio 4000 RTP/SAVP 0', AES, 'm=image 4002 udptl t38'], false],
  [['m=audio 4000 UDP/TLS/RTP/SAVP 0', 'a=fingerprint:sha-256 00:11'], false],
  [['m=audio'], false],
] as const)
  test(`${expected ? 'encrypted' : 'in clear'}: ${lines.join(' | ').replaceAll(KEY, 'KEY')}`, (t) => {
    t.is(of(...lines), expected);
  });

testProp(
  'any bytes at all are encrypted or not, and never an error',
  [fc.uint8Array({ maxLength: 400 })],
  (t, bytes) => {
    t.notThrows(() => isEncrypted(bytes));
  },
);

testProp(
  'with one medium in clear among others nothing counts as encrypted',
  [fc.nat(5), fc.nat(5)],
  (t, before, after) => {
    const secure = ['m=audio 4000 RTP/SAVP 0', AES];
    const plain = ['m=audio 4002 RTP/AVP 0', AES];
    const all = [Array<string[]>(before).fill(secure), [plain], Array<string[]>(after).fill(secure)].flat(2);
    t.false(of(...all));
  },
);
