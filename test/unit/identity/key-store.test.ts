import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { seededRandom } from '../../../src/base/random.ts';
import { OverlayAuthority } from '../../../src/identity/authority.ts';
import { parseCertificate } from '../../../src/identity/certificate.ts';
import { KeyStoreError, StateInUseError } from '../../../src/identity/errors.ts';
import { generateHostIdentity } from '../../../src/identity/host-identity.ts';
import { KeyStore } from '../../../src/identity/key-store.ts';
import { StateDirectory } from '../../../src/identity/state-directory.ts';

const wallNow = Date.UTC(2026, 0, 1);
const random = seededRandom(5);

function temporary(t: ExecutionContext): string {
  const path = mkdtempSync(join(tmpdir(), 'idloc-state-'));
  t.teardown(() => rmSync(path, { recursive: true }));
  return path;
}
function open(t: ExecutionContext, path = temporary(t)): { path: string; directory: StateDirectory; store: KeyStore } {
  const directory = StateDirectory.open(path);
  t.teardown(() => directory.close());
  return { path, directory, store: new KeyStore(directory) };
}
const mode = (path: string): number => statSync(path).mode & 0o777;

test('an identity is kept in a file that only its owner reads', (t) => {
  const { path, store } = open(t);
  t.is(store.loadIdentity(), undefined);
  const identity = generateHostIdentity();
  store.saveIdentity(identity);
  t.is(store.loadIdentity()?.hit, identity.hit);
  t.is(mode(join(path, 'identity.pem')), 0o600);
});

test('an identity that is there is never overwritten, broken or not', (t) => {
  const { path, store } = open(t);
  writeFileSync(join(path, 'identity.pem'), 'precious', { mode: 0o600 });
  t.throws(() => store.saveIdentity(generateHostIdentity()), { instanceOf: KeyStoreError, message: /not overwritten/ });
  t.throws(() => store.loadIdentity(), { instanceOf: KeyStoreError, message: /^\S+identity.pem is broken .*backup/ });
  t.is(readFileSync(join(path, 'identity.pem'), 'utf8'), 'precious');
});

test('a key cut off or altered is one line of error', (t) => {
  const { path, store } = open(t);
  store.saveIdentity(generateHostIdentity());
  const file = join(path, 'identity.pem');
  const pem = readFileSync(file, 'utf8');
  for (const broken of [
    '',
    pem.slice(0, 80),
    pem.replace(/\nM/, '\nN'),
    pem + pem,
    pem.replace('PRIVATE', 'EC PRIVATE'),
    `x${pem}`,
  ]) {
    writeFileSync(file, broken);
    const error = t.throws(() => store.loadIdentity(), { instanceOf: KeyStoreError });
    t.false(error.message.includes('\n'));
  }
  writeFileSync(file, pem);
  t.notThrows(() => store.loadIdentity());
});

test('a secret that others can read is refused with what to do', (t) => {
  const { path, store } = open(t);
  store.saveIdentity(generateHostIdentity());
  const file = join(path, 'identity.pem');
  for (const bits of [0o640, 0o604, 0o660]) {
    chmodSync(file, bits);
    t.throws(() => store.loadIdentity(), { instanceOf: KeyStoreError, message: new RegExp(`chmod 600 ${file}`) });
  }
});

test('a link or a directory in place of a file is refused', (t) => {
  const { path, store } = open(t);
  symlinkSync('/etc/passwd', join(path, 'contacts.json'));
  t.throws(() => store.loadContacts(), { instanceOf: KeyStoreError, message: /cannot be read/ });
});

test('certificates, document, authority, register and contacts come back', (t) => {
  const { path, store } = open(t);
  const authority = OverlayAuthority.create({ overlay: 'example.net', wallNow, random });
  const host = generateHostIdentity();
  const chain = [...authority.issue(host.spki, null, wallNow, random), authority.certificate];
  store.saveCertificates(chain);
  store.saveOverlayDocument(Buffer.from('<overlay/>'));
  store.saveAuthority(authority);
  const contacts = store.loadContacts();
  contacts.remember({
    hit: host.hit,
    name: 'saturn.example.net',
    user: null,
    peer: false,
    ipv4: null,
    locators: [],
    lastSeen: 1,
  });
  store.saveContacts(contacts);
  const register = store.loadRegister('example.net');
  const code = random.bytes(16);
  register.addCode(code, { expiresAt: wallNow + 1000, user: null, wallNow });

  t.deepEqual(store.loadCertificates(), chain);
  t.deepEqual(store.loadOverlayDocument(), new Uint8Array(Buffer.from('<overlay/>')));
  t.deepEqual(store.loadAuthority()?.fingerprint, authority.fingerprint);
  t.is(store.loadContacts().byName('saturn.example.net')?.hit, host.hit);
  t.is(store.loadRegister('example.net').toJson(), register.toJson());
  t.throws(() => store.loadRegister('other.example'), { instanceOf: KeyStoreError });
  register.flush();
  t.is(store.loadRegister('example.net').toJson(), register.toJson());
  t.throws(() => store.loadRegister('other.example'), { instanceOf: KeyStoreError });
  store.saveGrant(authority.grant(host.spki, wallNow, random));
  t.is(parseCertificate(store.loadGrant() ?? new Uint8Array()).nodeId, host.hit);
  const rendezvous = random.bytes(16);
  store.saveRendezvousSecret(rendezvous);
  t.deepEqual(store.loadRendezvousSecret(), rendezvous);
  for (const secret of ['authority.pem', 'enrollment.json', 'contacts.json', 'rendezvous'])
    t.is(mode(join(path, secret)), 0o600, secret);
  t.throws(() => store.saveAuthority(authority), { instanceOf: KeyStoreError });
});

test('an authority key without its certificate is an error, not a new overlay', (t) => {
  const { path, store } = open(t);
  store.saveAuthority(OverlayAuthority.create({ overlay: 'example.net', wallNow, random }));
  rmSync(join(path, 'authority-certificate.pem'));
  t.throws(() => store.loadAuthority(), { instanceOf: KeyStoreError, message: /missing/ });
});

test('what a killed agent was writing is cleared away, what it had stays', (t) => {
  const path = temporary(t);
  const first = StateDirectory.open(path);
  first.write('overlay.xml', 'old', { secret: false });
  first.close();
  writeFileSync(join(path, '.overlay.xml.4711.tmp'), 'ne');
  const { store } = open(t, path);
  t.deepEqual(store.loadOverlayDocument(), new Uint8Array(Buffer.from('old')));
  t.deepEqual(readdirSync(path).sort(), ['lock', 'overlay.xml']);
});

test('a write that fails leaves the old file and no other', (t) => {
  const { path, directory } = open(t);
  directory.write('overlay.xml', 'old', { secret: false });
  t.throws(() => directory.write('missing/overlay.xml', 'new', { secret: false }), { instanceOf: KeyStoreError });
  t.throws(() => directory.write('overlay.xml', 'new', { secret: false, createOnly: true }), {
    instanceOf: KeyStoreError,
  });
  t.is(readFileSync(join(path, 'overlay.xml'), 'utf8'), 'old');
  t.deepEqual(readdirSync(path).sort(), ['lock', 'overlay.xml']);
});

test('two agents cannot use one state directory, one after the other can', (t) => {
  const { path, directory } = open(t);
  const error = t.throws(() => StateDirectory.open(path), { instanceOf: StateInUseError });
  t.is(error.pid, process.pid);
  t.regex(error.message, /process id/);
  directory.close();
  directory.close();
  t.false(existsSync(join(path, 'lock')));
  const next = StateDirectory.open(path);
  directory.close();
  t.true(existsSync(join(path, 'lock')), 'closing twice does not take the lock of the next one');
  next.close();
});

test('the lock of an agent in another process holds while that runs, and not after it was killed', (t) => {
  const path = temporary(t);
  const module = new URL('../../../src/identity/state-directory.ts', import.meta.url).href;
  const script = `import { StateDirectory } from ${JSON.stringify(module)};
    StateDirectory.open(${JSON.stringify(path)});
    process.kill(process.pid, 'SIGKILL');`;
  const { signal } = spawnSync(process.execPath, ['--input-type=module', '-e', script]);
  t.is(signal, 'SIGKILL');
  t.true(existsSync(join(path, 'lock')));
  t.notThrows(() => StateDirectory.open(path).close());
});

test('a lock whose process id was given out again does not hold', (t) => {
  const path = temporary(t);
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  for (const content of [`${process.pid} 1 ${boot}\n`, `1 0 ${boot}\n`, '', 'garbage', '-1 2 3']) {
    writeFileSync(join(path, 'lock'), content);
    t.notThrows(() => StateDirectory.open(path).close(), content);
  }
});

test('reading beside a running agent is possible, writing is not', (t) => {
  const { path, store } = open(t);
  store.saveIdentity(generateHostIdentity());
  const beside = new KeyStore(StateDirectory.readOnly(path));
  t.is(beside.loadIdentity()?.hit, store.loadIdentity()?.hit);
  t.throws(() => beside.saveOverlayDocument(new Uint8Array()), { instanceOf: KeyStoreError });
});

test('a state directory that cannot be made is one line that says what to do', (t) => {
  const path = join(temporary(t), 'file');
  writeFileSync(path, '');
  const error = t.throws(() => StateDirectory.open(join(path, 'state')), { instanceOf: KeyStoreError });
  t.regex(error.message, /^the state directory \S+ cannot be used \(ENOTDIR: not a directory\): use --state/);
});
