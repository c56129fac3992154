import { generateKeyPairSync } from 'node:crypto';
import test from 'ava';
import { CertificateError } from '../../../src/identity/errors.ts';
import { publicKeyOf } from '../../../src/identity/signature.ts';

function someKey(): Uint8Array {
  return generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).publicKey.export({ format: 'der', type: 'spki' });
}

test('a key that is used again is kept, and stays while thousands are used once', (t) => {
  const spki = someKey();
  publicKeyOf(spki);
  const kept = publicKeyOf(spki);
  t.is(publicKeyOf(spki), kept);
  const others = Array.from({ length: 2_000 }, someKey);
  for (let round = 0; round < 2; round++) for (const other of others) t.not(publicKeyOf(other), kept);
  t.is(publicKeyOf(spki), kept);
});

test('as many keys as are in use at a time are all kept', (t) => {
  const keys = Array.from({ length: 200 }, someKey);
  for (const spki of keys) publicKeyOf(spki);
  const kept = keys.map(publicKeyOf);
  t.deepEqual(
    keys.map((spki, i) => publicKeyOf(spki) === kept[i]),
    keys.map(() => true),
  );
});

test('a key of P-256 is told by its bytes, and its point has to lie on the curve', (t) => {
  const spki = someKey();
  t.is(publicKeyOf(spki).asymmetricKeyDetails?.namedCurve, 'prime256v1');
  t.throws(() => publicKeyOf(spki.with(60, (spki[60] ?? 0) ^ 1)), { instanceOf: CertificateError });
  for (const namedCurve of ['secp256k1', 'P-384']) {
    const other = generateKeyPairSync('ec', { namedCurve }).publicKey.export({ format: 'der', type: 'spki' });
    t.throws(() => publicKeyOf(other), { instanceOf: CertificateError }, namedCurve);
  }
});
