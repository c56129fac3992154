import { generateKeyPairSync, sign, constants } from 'node:crypto';
import { inspect } from 'node:util';
import test from 'ava';
import { isHit } from '../../../src/base/node-id.ts';
import { CertificateError, KeyStoreError } from '../../../src/identity/errors.ts';
import { generateHostIdentity, HostIdentity } from '../../../src/identity/host-identity.ts';
import { publicKeyOf, verifySignature } from '../../../src/identity/signature.ts';

const data = Buffer.from('some data');
const der = { format: 'der', type: 'spki' } as const;

test('a new identity has a HIT of its own and signs what its public key verifies', (t) => {
  const identity = generateHostIdentity();
  t.true(isHit(identity.hit));
  t.not(identity.hit, generateHostIdentity().hit);
  const signature = identity.sign(data);
  t.true(verifySignature(identity.spki, data, signature));
  t.false(verifySignature(identity.spki, Buffer.from('other data'), signature));
  t.false(verifySignature(generateHostIdentity().spki, data, signature));
});

test('an identity comes back from its private key', (t) => {
  const identity = generateHostIdentity();
  const again = HostIdentity.fromPkcs8(identity.pkcs8);
  t.is(again.hit, identity.hit);
  t.deepEqual(again.spki, identity.spki);
});

test('one scalar gives one identity, zero gives none', (t) => {
  const scalar = new Uint8Array(32).fill(7);
  t.is(HostIdentity.fromScalar(scalar).hit, '200100225aa46c5e484315319a1bbaf0');
  t.throws(() => HostIdentity.fromScalar(new Uint8Array(32)), { instanceOf: KeyStoreError });
});

test('printing an identity shows no private key', (t) => {
  const identity = generateHostIdentity();
  const secret = Buffer.from(identity.pkcs8).subarray(36, 68);
  const printed = inspect(identity, { depth: 9, showHidden: true, maxArrayLength: null }) + JSON.stringify(identity);
  t.false(printed.includes(secret.subarray(0, 6).join(', ')));
  t.deepEqual(Object.keys(identity).sort(), ['hit', 'spki']);
});

test('keys of other kinds are refused as identities', (t) => {
  const pkcs8 = { format: 'der', type: 'pkcs8' } as const;
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey.export(pkcs8);
  const ed25519 = generateKeyPairSync('ed25519').privateKey.export(pkcs8);
  for (const key of [p384, ed25519, Buffer.alloc(0), Buffer.from('-----BEGIN PRIVATE KEY-----')])
    t.throws(() => HostIdentity.fromPkcs8(key), { instanceOf: KeyStoreError });
});

test('an RSA key with SHA-256 verifies, as RFC 6940 s6.3.4 asks', (t) => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const spki = publicKey.export(der);
  t.true(verifySignature(spki, data, sign('sha256', data, privateKey)));
  t.false(verifySignature(spki, data, sign('sha512', data, privateKey)));
  const pss = sign('sha256', data, { key: privateKey, padding: constants.RSA_PKCS1_PSS_PADDING });
  t.false(verifySignature(spki, data, pss));
});

test('keys that are weak, costly or of unknown kinds verify nothing', (t) => {
  const weak = generateKeyPairSync('rsa', { modulusLength: 1024 });
  const other = generateKeyPairSync('ed25519');
  for (const [{ privateKey, publicKey }, hash] of [
    [weak, 'sha256'],
    [other, null],
  ] as const) {
    const spki = publicKey.export(der);
    t.false(verifySignature(spki, data, sign(hash, data, privateKey)));
    t.throws(() => publicKeyOf(spki), { instanceOf: CertificateError });
  }
  t.throws(() => publicKeyOf(new Uint8Array(100_000)), { instanceOf: CertificateError });
  t.false(verifySignature(generateHostIdentity().spki, data, new Uint8Array(100_000)));
});
