import test from 'ava';
import { systemRandom } from '../../../src/base/random.ts';
import { HostIdentity } from '../../../src/identity/host-identity.ts';
import { openDocument, recipientsOf, sealDocument } from '../../../src/identity/sealed-document.ts';

const TEXT = Buffer.from('Bob Meier, sip:bob@home.example');
const [alice, laptop, stranger] = [1, 2, 3].map(() => HostIdentity.generate());

test('each host that it is sealed for opens it, and no other', async (t) => {
  if (alice === undefined || laptop === undefined || stranger === undefined) return t.fail();
  const sealed = await sealDocument(TEXT, [alice.spki, laptop.spki], 'contacts', systemRandom);
  for (const host of [alice, laptop]) t.deepEqual(await openDocument(sealed, host, 'contacts'), new Uint8Array(TEXT));
  t.is(await openDocument(sealed, stranger, 'contacts'), undefined);
  t.deepEqual(recipientsOf(sealed), [alice.hit, laptop.hit]);
  t.deepEqual(recipientsOf(sealed.subarray(0, 40)), [], 'cut short it is for nobody');
  t.is(recipientsOf(Uint8Array.of(2, ...sealed.subarray(1))), undefined, 'of another version nothing is known');
  t.false(Buffer.from(sealed).includes('Meier'));
});

test('nothing opens that was changed anywhere, cut short, or passed for something else', async (t) => {
  if (alice === undefined) return t.fail();
  const sealed = await sealDocument(TEXT, [alice.spki], 'contacts alice 7', systemRandom);
  for (let at = 0; at < sealed.length; at++) {
    const changed = sealed.slice();
    changed[at] = (changed[at] ?? 0) ^ 0x10;
    t.is(await openDocument(changed, alice, 'contacts alice 7'), undefined, `byte ${at}`);
  }
  for (const length of [0, 1, 2, 40, sealed.length - 1])
    t.is(await openDocument(sealed.subarray(0, length), alice, 'contacts alice 7'), undefined);
  t.is(await openDocument(sealed, alice, 'contacts alice 8'), undefined);
});

test('two that say the same look different', async (t) => {
  if (alice === undefined) return t.fail();
  const seal = (): Promise<Uint8Array> => sealDocument(TEXT, [alice.spki], '', systemRandom);
  t.notDeepEqual(await seal(), await seal());
});

test('the key of an identity is one of RFC 9180: that of its vector A.3 has the public key that stands there, and opens', async (t) => {
  // RFC 9180 A.3: DHKEM(P-256, HKDF-SHA256), skRm and pkRm. The identity's key is what the KEM takes.
  const skRm = 'f3ce7fdae57e1a310d87f1ebbde6f328be0a99cdbcadf4d6589cf29de4b8ffd2';
  const pkRm =
    '04fe8c19ce0905191ebc298a9245792531f26f0cece2460639e8bc39cb7f706a826a779b4cf969b8a0e539c7f62fb3d30ad6aa8f80e30f1d128aafd68a2ce72ea0';
  const host = HostIdentity.fromScalar(Buffer.from(skRm, 'hex'));
  t.true(Buffer.from(host.spki).toString('hex').endsWith(pkRm));
  const sealed = await sealDocument(TEXT, [host.spki], 'x', systemRandom);
  t.deepEqual(await openDocument(sealed, host, 'x'), new Uint8Array(TEXT));
});
