import test from 'ava';
import { MAX_RECORDING_BYTES } from '../../../../src/agent/voice-mail/constants.ts';
import { seededRandom } from '../../../../src/base/random.ts';
import { HostIdentity } from '../../../../src/identity/host-identity.ts';
import { MAX_RECIPIENTS, sealDocument } from '../../../../src/identity/sealed-document.ts';
import { IDLOC_MAIL } from '../../../../src/overlay/storage/kinds.ts';
import { encodeMail, encodeMailHead, mailPartsOf } from '../../../../src/overlay/storage/mail-value.ts';

const random = seededRandom(20261130);
const hosts = Array.from({ length: MAX_RECIPIENTS }, () => HostIdentity.generate().spki);

test('the longest recording, sealed for as many hosts as there may be, has as many parts as there may be', async (t) => {
  t.true(MAX_RECORDING_BYTES >= 256 * 1024);
  const sealed = await sealDocument(new Uint8Array(MAX_RECORDING_BYTES), hosts, 'x', random);
  t.is(mailPartsOf(sealed, 2, 1).length, 130);
});

test('the longest head, sealed for as many hosts as there may be, fits its Kind', async (t) => {
  const parts = { slot: 33, savedAt: Number.MAX_SAFE_INTEGER, count: 130 };
  const head = encodeMailHead({ at: Number.MAX_SAFE_INTEGER, seconds: 65_535, parts, from: 'x'.repeat(255) });
  const sealed = await sealDocument(head, hosts, 'x', random);
  const value = encodeMail({ place: 7, user: 'x'.repeat(255), id: '0123456789abcdef', sealed });
  t.true(value.length <= IDLOC_MAIL.maxSize, `${value.length} bytes`);
});
