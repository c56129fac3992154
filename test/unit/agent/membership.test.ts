import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { memberOf } from '../../../src/agent/member.ts';
import { createMembership, loadMembership } from '../../../src/agent/membership.ts';
import { systemRandom } from '../../../src/base/random.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { IdlocError } from '../../../src/base/errors.ts';
import { parseCertificate } from '../../../src/identity/certificate.ts';
import { enrollmentRequest } from '../../../src/identity/enrollment.ts';
import { decodeEnrollmentAnswer } from '../../../src/identity/enrollment-message.ts';
import { HostIdentity } from '../../../src/identity/host-identity.ts';
import { KeyStore } from '../../../src/identity/key-store.ts';
import { StateDirectory } from '../../../src/identity/state-directory.ts';
import { Lifecycle } from '../../../src/membership/lifecycle.ts';

const NOW = Date.parse('2026-01-01T00:00:00Z');
const TOOLS = { random: systemRandom, clock: { monotonic: () => 0, wall: () => NOW } };
const OPTIONS = { overlay: 'home.example', user: 'alice@home.example', ipv4Prefix: null };

function emptyStore(t: ExecutionContext): KeyStore {
  const path = mkdtempSync(join(tmpdir(), 'idloc-membership-'));
  const state = StateDirectory.open(path);
  t.teardown(() => {
    state.close();
    rmSync(path, { recursive: true });
  });
  return new KeyStore(state);
}

test('a founder finds its overlay again, with its authority and its own name taken', (t) => {
  const store = emptyStore(t);
  const identity = HostIdentity.generate();
  t.is(loadMembership(store, identity, TOOLS), undefined);
  createMembership(store, identity, OPTIONS, TOOLS);
  const membership = loadMembership(store, identity, TOOLS);
  t.is(membership?.user, 'alice@home.example');
  t.is(membership?.configuration.overlay, 'home.example');
  t.deepEqual(
    membership?.founder?.register.memberList().map(({ hit, user }) => ({ hit, user })),
    [{ hit: identity.hit, user: 'alice@home.example' }],
  );
});

test('the certificate of another identity is refused', (t) => {
  const store = emptyStore(t);
  createMembership(store, HostIdentity.generate(), OPTIONS, TOOLS);
  t.throws(() => loadMembership(store, HostIdentity.generate(), TOOLS), {
    instanceOf: IdlocError,
    code: 'broken_state',
  });
});

test('an authority makes no second overlay in the same directory', (t) => {
  const store = emptyStore(t);
  const identity = HostIdentity.generate();
  createMembership(store, identity, OPTIONS, TOOLS);
  const other = { ...OPTIONS, overlay: 'other.example', user: null };
  t.throws(() => createMembership(store, identity, other, TOOLS), { instanceOf: IdlocError, code: 'other_overlay' });
});

test('certificates of an overlay live as long as its founder decided, its own too', (t) => {
  const [store, identity] = [emptyStore(t), HostIdentity.generate()];
  const created = createMembership(store, identity, { ...OPTIONS, certificateLifetimeS: 120 }, TOOLS);
  const { configuration, certificates, founder } = created;
  t.is(configuration.certificateLifetimeS, 120);
  const [own = new Uint8Array()] = certificates;
  t.is(parseCertificate(own).notAfter, NOW + 120_000);
  const code = new Uint8Array(16);
  founder?.register.addCode(code, { expiresAt: NOW + 1000, user: null, wallNow: NOW });
  const lifecycle = new Lifecycle('member');
  const host = HostIdentity.generate();
  const bytes = enrollmentRequest(host, { overlay: OPTIONS.overlay, code, user: null });
  const { membership } = memberOf(created, { store, identity, lifecycle, ...TOOLS, logger: silentLogger });
  const ends = (): number => {
    const handled = membership.inviting?.enroll({ bytes, spki: host.spki }, NOW) ?? new Uint8Array();
    const { answer } = decodeEnrollmentAnswer(handled);
    const [leaf = new Uint8Array()] = answer.issued ? answer.certificates : [];
    return parseCertificate(leaf).notAfter;
  };
  t.is(ends(), NOW + 120_000);
  membership.change({ certificateLifetimeS: 3600 }, 0);
  t.is(ends(), NOW + 3_600_000, 'the document in force counts, not that of the start');
});

test('an overlay is not created under a name below which others have theirs', (t) => {
  const store = emptyStore(t);
  t.throws(
    () => createMembership(store, HostIdentity.generate(), { ...OPTIONS, overlay: 'co.uk', user: null }, TOOLS),
    {
      code: 'bad_overlay',
    },
  );
  t.is(store.loadAuthority(), undefined);
});
