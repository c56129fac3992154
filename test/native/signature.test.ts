import { type KeyObject, generateKeyPairSync, sign, verify } from 'node:crypto';
import { fc, testProp } from '@fast-check/ava';
import test from 'ava';
import { verifyMemberSignature } from '../../src/agent/verify-signature.ts';
import { p256PointOf } from '../../src/identity/signature.ts';
import { verifyP256 } from '../../src/native/signature.ts';

interface Member {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  readonly spki: Buffer;
}

function member(): Member {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  return { privateKey, publicKey, spki: publicKey.export({ format: 'der', type: 'spki' }) };
}

const data = Buffer.from('what is signed');
const alice = member();

test('more keys than are kept, each used in turn and again: each verifies what it has signed, and nothing of another', (t) => {
  const members = Array.from({ length: 700 }, member).map((one) => ({
    ...one,
    signature: sign('sha256', data, one.privateKey),
  }));
  for (let round = 0; round < 2; round++)
    for (const [i, { spki, signature }] of members.entries()) {
      t.true(verifyMemberSignature(spki, data, signature));
      t.false(verifyMemberSignature(members[(i + 1) % members.length]?.spki ?? spki, data, signature));
    }
});

testProp(
  'data and signatures with some bytes changed, cut or added are right when OpenSSL says so by Node, and only then',
  [
    fc.uint8Array({ maxLength: 300 }),
    fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), { maxLength: 2 }),
    fc.integer({ min: -3, max: 3 }),
  ],
  (t, bytes, changes, longer) => {
    const right = sign('sha256', bytes, alice.privateKey);
    const length = right.length + longer;
    const signature = Buffer.concat([right, Buffer.alloc(3)]).subarray(0, length);
    for (const [at, mask] of changes) signature[at % length] = (signature[at % length] ?? 0) ^ mask;
    t.is(verifyMemberSignature(alice.spki, bytes, signature), verify('sha256', bytes, alice.publicKey, signature));
  },
);

test('a point that is none of the curve, the one at infinity, and other hashes verify nothing', (t) => {
  const signature = sign('sha256', data, alice.privateKey);
  const point = p256PointOf(alice.spki) ?? new Uint8Array();
  t.true(verifyP256(point, data, signature));
  t.false(verifyP256(point.with(40, (point[40] ?? 0) ^ 1), data, signature));
  t.false(verifyP256(new Uint8Array(65), data, signature));
  t.false(verifyP256(point, data, sign('sha512', data, alice.privateKey)));
  t.false(verifyP256(point, data, new Uint8Array()));
  t.false(verifyMemberSignature(alice.spki, data, new Uint8Array(100_000)));
  t.throws(() => verifyP256(point.subarray(1), data, signature), { instanceOf: TypeError });
});

test("keys of RSA and of other curves are Node's matter, as before", (t) => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const spki = rsa.publicKey.export({ format: 'der', type: 'spki' });
  t.is(p256PointOf(spki), undefined);
  t.true(verifyMemberSignature(spki, data, sign('sha256', data, rsa.privateKey)));
  const other = generateKeyPairSync('ec', { namedCurve: 'secp256k1' });
  const otherSpki = other.publicKey.export({ format: 'der', type: 'spki' });
  t.false(verifyMemberSignature(otherSpki, data, sign('sha256', data, other.privateKey)));
});
