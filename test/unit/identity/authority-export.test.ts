import test from 'ava';
import { seededRandom } from '../../../src/base/random.ts';
import { exportAuthority, importAuthority, type AuthorityContents } from '../../../src/identity/authority-export.ts';
import { OverlayAuthority } from '../../../src/identity/authority.ts';
import { EnrollmentRegister } from '../../../src/identity/enrollment-register.ts';
import { KeyStoreError, PassphraseError } from '../../../src/identity/errors.ts';
import { generateHostIdentity } from '../../../src/identity/host-identity.ts';

const wallNow = Date.UTC(2026, 0, 1);
const random = seededRandom(13);
const overlay = 'example.net';
const authority = OverlayAuthority.create({ overlay, wallNow, random });
const register = new EnrollmentRegister({ overlay });
register.noteMembers(
  [
    {
      hit: generateHostIdentity().hit,
      user: 'alice@example.net',
      issuedAt: wallNow,
      expiresAt: wallNow + 1000,
      issuer: null,
    },
  ],
  wallNow,
);
const contents: AuthorityContents = {
  authority,
  register,
  configuration: new Uint8Array(Buffer.from('<overlay/>')),
  secret: random.bytes(16),
};
const PASSPHRASE = 'correct horse \u00e9';
const exported = exportAuthority(contents, PASSPHRASE, random);
const read = (text: string, passphrase = PASSPHRASE): Promise<AuthorityContents> => importAuthority(text, passphrase);

test('an authority moves with its register, its configuration and the secret', async (t) => {
  const text = await exported;
  t.regex(text, /^-----BEGIN IDLOC AUTHORITY-----\n/);
  // The passphrase with its accent composed differently is the same one.
  const imported = await read(text, 'correct horse e\u0301');
  t.deepEqual(imported.authority.pkcs8, authority.pkcs8);
  t.deepEqual(imported.authority.certificate, authority.certificate);
  t.is(imported.register.toJson(), register.toJson());
  t.deepEqual(imported.configuration, contents.configuration);
  t.deepEqual(imported.secret, contents.secret);
});

test('an overlay without a secret is exported too, and nothing of the contents is readable', async (t) => {
  const text = await exportAuthority({ ...contents, secret: null }, PASSPHRASE, random);
  t.is((await read(text)).secret, null);
  const bytes = Buffer.from(text.replace(/-.*-|\s/g, ''), 'base64');
  t.false(bytes.includes(Buffer.from(authority.pkcs8).subarray(36, 68)));
  t.false(bytes.includes('alice'));
});

test('a wrong passphrase is told from a broken file', async (t) => {
  const text = await exported;
  await t.throwsAsync(read(text, 'wrong horse'), { instanceOf: PassphraseError, message: /passphrase is wrong/ });
  const lines = text.split('\n');
  const cut = [...lines.slice(0, 3), ...lines.slice(4)].join('\n');
  const letter = (lines[2] ?? '').startsWith('A') ? 'B' : 'A';
  const changed = [...lines.slice(0, 2), letter + (lines[2] ?? '').slice(1), ...lines.slice(3)].join('\n');
  for (const broken of ['', 'hello', text + text, text.slice(0, -40), cut, changed, 'x'.repeat(50 * 1024 * 1024)])
    await t.throwsAsync(read(broken), { instanceOf: KeyStoreError, message: /no export of an authority/ });
});

test('a passphrase that protects nothing is refused', async (t) => {
  await t.throwsAsync(exportAuthority(contents, 'short', random), {
    instanceOf: PassphraseError,
    message: /too short/,
  });
});
