import { readFileSync } from 'node:fs';
import test from 'ava';
import { concatBytes, fromHex } from '../../../src/base/bytes.ts';
import { hitToAddress } from '../../../src/base/node-id.ts';
import { CertificateError } from '../../../src/identity/errors.ts';
import { HostIdentity } from '../../../src/identity/host-identity.ts';
import { hitOfSpki, orchid } from '../../../src/identity/orchid.ts';

interface Vector {
  readonly name: string;
  readonly hit_suite: 1 | 2;
  readonly host_identity_hex: string;
  readonly hit: string;
  readonly hit_hex: string;
}
const vectors = JSON.parse(
  readFileSync(new URL('../../vectors/hip/orchidv2.json', import.meta.url), 'utf8'),
) as readonly Vector[];
const P256_SPKI_PREFIX = fromHex('3059301306072a8648ce3d020106082a8648ce3d03010703420004');

test('the Host Identities of captured HIP packets and computed ones give their HITs', (t) => {
  t.true(vectors.length >= 4);
  for (const { name, hit_suite, host_identity_hex, hit, hit_hex } of vectors) {
    t.is(orchid(hit_suite, fromHex(host_identity_hex)), hit_hex, name);
    t.is(hitToAddress(hit_hex), hit, name);
  }
});

test('the HIT of a P-256 key is the ORCHID of curve 1 and x || y', (t) => {
  const vector = vectors.find(({ name }) => name === 'generated_ecdsa_p256_suite2_x_y');
  if (vector === undefined) throw new Error('the vector is missing');
  const point = fromHex(vector.host_identity_hex).subarray(2);
  t.is(hitOfSpki(concatBytes(P256_SPKI_PREFIX, point)), vector.hit_hex);
});

test('a key that is not P-256, or in another encoding, has no HIT', (t) => {
  const { spki } = HostIdentity.generate();
  t.throws(() => hitOfSpki(spki.subarray(1)), { instanceOf: CertificateError });
  t.throws(() => hitOfSpki(concatBytes(spki, Uint8Array.of(0))), { instanceOf: CertificateError });
  // The compressed form of the same point would be a second name of one key.
  const compressed = concatBytes(spki.subarray(0, 26), Uint8Array.of(2), spki.subarray(27));
  t.throws(() => hitOfSpki(compressed), { instanceOf: CertificateError });
});
