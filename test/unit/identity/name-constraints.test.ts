import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, createServer } from 'node:tls';
import { AsnConvert, OctetString } from '@peculiar/asn1-schema';
import {
  Certificate,
  Extension,
  Extensions,
  GeneralName,
  GeneralSubtree,
  GeneralSubtrees,
  NameConstraints,
  id_ce_nameConstraints,
} from '@peculiar/asn1-x509';
import test, { type ExecutionContext } from 'ava';
import { messageOf } from '../../../src/base/errors.ts';
import { seededRandom } from '../../../src/base/random.ts';
import { OverlayAuthority } from '../../../src/identity/authority.ts';
import { issueCertificate } from '../../../src/identity/certificate-issuer.ts';
import { parseCertificate } from '../../../src/identity/certificate.ts';
import { HostIdentity } from '../../../src/identity/host-identity.ts';
import { Inviter } from '../../../src/identity/issuer.ts';
import { TrustStore } from '../../../src/identity/trust-store.ts';

const overlay = 'home.example';
const random = seededRandom(5280);
const wallNow = Date.now();
const authority = OverlayAuthority.create({ overlay, wallNow, random });
const inviter = HostIdentity.generate();
const host = HostIdentity.generate();
const grant = authority.grant(inviter.spki, wallNow - 1000, random);
/** As the versions before this one made it. */
const formerGrant = regranted(undefined);

/** The grant with other name constraints, signed anew. */
function regranted(base: GeneralName | undefined): Uint8Array {
  const certificate = AsnConvert.parse(grant, Certificate);
  const { tbsCertificate } = certificate;
  const others = tbsCertificate.extensions?.filter(({ extnID }) => extnID !== id_ce_nameConstraints);
  tbsCertificate.extensions = new Extensions(others);
  if (base !== undefined) {
    const permittedSubtrees = new GeneralSubtrees([new GeneralSubtree({ base })]);
    const extnValue = new OctetString(AsnConvert.serialize(new NameConstraints({ permittedSubtrees })));
    tbsCertificate.extensions.push(new Extension({ extnID: id_ce_nameConstraints, critical: true, extnValue }));
  }
  certificate.signatureValue = new Uint8Array(
    authority.sign(new Uint8Array(AsnConvert.serialize(tbsCertificate))),
  ).buffer;
  return new Uint8Array(AsnConvert.serialize(certificate));
}

/** What a hostile inviter makes: its own program asks nobody. */
function madeFor(domain: string, user: string | null): Uint8Array {
  const validity = { notBefore: wallNow - 1000, notAfter: wallNow + 1e9 };
  return issueCertificate(
    { key: inviter, inviter: true },
    { spki: host.spki, overlay: domain, user, ...validity },
    random,
  );
}

/** What the program `openssl` says, that knows nothing of overlays. */
async function verified(t: ExecutionContext, intermediate: Uint8Array, leaf: Uint8Array): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'idloc-constraints-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  for (const [name, der] of Object.entries({ root: authority.certificate, intermediate, leaf }))
    writeFileSync(join(folder, name), new X509Certificate(der).toString());
  const words = ['verify', '-x509_strict', '-CAfile', 'root', '-untrusted', 'intermediate', 'leaf'];
  return new Promise((resolve) => {
    execFile('openssl', words, { cwd: folder }, (_error, stdout, stderr) => resolve(stdout + stderr));
  });
}

/** What the OpenSSL that Node carries says: null, or why it does not take the server's chain. */
async function trustedByNode(intermediate: Uint8Array, leaf: Uint8Array): Promise<string | null> {
  const pem = (der: Uint8Array): string => new X509Certificate(der).toString();
  const key = Buffer.from(host.pkcs8).toString('base64');
  const server = createServer({
    cert: pem(leaf) + pem(intermediate),
    key: `-----BEGIN PRIVATE KEY-----\n${key}\n-----END PRIVATE KEY-----\n`,
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  // Whether a name of the DNS is in it is another question.
  const socket = connect({
    ...{ port, host: '127.0.0.1', ca: pem(authority.certificate) },
    checkServerIdentity: () => undefined,
  });
  try {
    await once(socket, 'secureConnect');
    return null;
  } catch (error) {
    return messageOf(error);
  } finally {
    socket.destroy();
    server.close();
  }
}

test('OpenSSL alone takes members of the overlay from an inviter, and none of another domain', async (t) => {
  for (const [domain, user] of [
    [overlay, 'alice@home.example'],
    [overlay, null],
  ] as const) {
    t.is(await verified(t, grant, madeFor(domain, user)), 'leaf: OK\n');
    t.is(await trustedByNode(grant, madeFor(domain, user)), null);
  }
  for (const domain of ['other.example', 'sub.home.example', 'example.com']) {
    const leaf = madeFor(domain, `alice@${domain}`);
    t.regex(await verified(t, grant, leaf), /error 47 at 0 depth lookup: permitted subtree violation/, domain);
    t.is(await trustedByNode(grant, leaf), 'permitted subtree violation', domain);
  }
});

test('the extension is critical, and names the users of the overlay', (t) => {
  const extension = AsnConvert.parse(grant, Certificate).tbsCertificate.extensions?.find(
    ({ extnID }) => extnID === id_ce_nameConstraints,
  );
  t.true(extension?.critical);
  const { permittedSubtrees, excludedSubtrees } = AsnConvert.parse(
    extension?.extnValue.buffer ?? new ArrayBuffer(),
    NameConstraints,
  );
  t.is(permittedSubtrees?.length, 1);
  t.is(permittedSubtrees?.[0]?.base.rfc822Name, overlay);
  t.is(excludedSubtrees, undefined);
  t.true(parseCertificate(grant).isAuthority);
});

test('an inviter of before the extension is one still, and our own check alone keeps it within the overlay', async (t) => {
  t.is(parseCertificate(formerGrant).pathLength, 0);
  // Nothing but our check stands between.
  t.is(await verified(t, formerGrant, madeFor('other.example', 'alice@other.example')), 'leaf: OK\n');
  for (const given of [formerGrant, grant]) {
    const trust = new TrustStore({
      ...{ overlay, mode: 'invite', authority: authority.fingerprint, authorityCertificate: authority.certificate },
    });
    t.is(trust.learnIssuer(given)?.nodeId, inviter.hit);
    const [own = new Uint8Array()] = new Inviter(inviter, given, authority.certificate).issue(
      host.spki,
      'alice@home.example',
      wallNow,
      random,
    );
    t.is(trust.verifyMember([own, given], wallNow).user, 'alice@home.example');
    for (const user of ['alice@other.example', null])
      t.throws(() => trust.verify([madeFor('other.example', user), given], wallNow), {
        message: /for the overlay other\.example/,
      });
  }
});

test('a grant with other constraints is refused: what they mean for its members nobody would check', (t) => {
  const trust = new TrustStore({
    ...{ overlay, mode: 'invite', authority: authority.fingerprint, authorityCertificate: authority.certificate },
  });
  for (const base of [
    { rfc822Name: 'other.example' },
    { rfc822Name: 'alice@home.example' },
    { uniformResourceIdentifier: overlay },
    { dNSName: overlay },
  ]) {
    const other = regranted(new GeneralName(base));
    t.throws(() => parseCertificate(other), { message: /other name constraints/ });
    t.is(trust.learnIssuer(other), undefined);
  }
});
