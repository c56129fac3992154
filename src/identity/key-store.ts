import { fromHex, toHex } from '../base/bytes.ts';
import { messageOf } from '../base/errors.ts';
import { OverlayAuthority } from './authority.ts';
import { parseCertificate } from './certificate.ts';
import { RENDEZVOUS_SECRET_BYTES } from './code-secret.ts';
import { ContactBook } from './contacts.ts';
import { EnrollmentRegister } from './enrollment-register.ts';
import { KeyStoreError } from './errors.ts';
import { HostIdentity } from './host-identity.ts';
import { decodePem, encodePem } from './pem.ts';
import { RegisterFiles } from './register-files.ts';
import type { StateDirectory } from './state-directory.ts';

const IDENTITY = 'identity.pem';
/** The node's own certificate, that of the inviter if one issued it, the authority's. */
const CERTIFICATE = 'certificate.pem';
const OVERLAY = 'overlay.xml';
const AUTHORITY_KEY = 'authority.pem';
const AUTHORITY_CERTIFICATE = 'authority-certificate.pem';
/** The right to invite: an inviter's certificate. */
const GRANT = 'grant.pem';
/** The overlay's rendezvous secret. */
const RENDEZVOUS = 'rendezvous';
const CONTACTS = 'contacts.json';
/** Grants and revocations that all members keep. */
const RECORDS = 'records.bin';

const KEY_LABEL = 'PRIVATE KEY';
const CERTIFICATE_LABEL = 'CERTIFICATE';

/**
 * What a host keeps: its identity, its membership, and the authority where it created the overlay.
 * Every load throws KeyStoreError for a file that is unsafe or broken and leaves it as it is: a broken key is never replaced.
 */
export class KeyStore {
  private readonly directory: StateDirectory;
  private readonly registerFiles: RegisterFiles;

  constructor(directory: StateDirectory) {
    this.directory = directory;
    this.registerFiles = new RegisterFiles(directory);
  }

  /** Undefined on a host that has none yet. */
  loadIdentity(): HostIdentity | undefined {
    return this.load(IDENTITY, true, (text) => HostIdentity.fromPkcs8(onlyBlock(KEY_LABEL, text)));
  }

  /** @throws {KeyStoreError} also when there is one already. */
  saveIdentity(identity: HostIdentity): void {
    this.directory.write(IDENTITY, encodePem(KEY_LABEL, identity.pkcs8), { secret: true, createOnly: true });
  }

  /** DER, the node's own certificate first. */
  loadCertificates(): Uint8Array[] | undefined {
    return this.load(CERTIFICATE, false, (text) => {
      const chain = decodePem(CERTIFICATE_LABEL, text);
      for (const der of chain) parseCertificate(der);
      return chain;
    });
  }

  saveCertificates(chain: readonly Uint8Array[]): void {
    this.directory.write(CERTIFICATE, encodePem(CERTIFICATE_LABEL, ...chain), { secret: false });
  }

  /** The signed overlay configuration document, unread. */
  loadOverlayDocument(): Uint8Array | undefined {
    return this.directory.read(OVERLAY, { secret: false });
  }

  saveOverlayDocument(document: Uint8Array): void {
    this.directory.write(OVERLAY, document, { secret: false });
  }

  /** Only where the overlay was created. */
  loadAuthority(): OverlayAuthority | undefined {
    const certificate = this.load(AUTHORITY_CERTIFICATE, false, (text) => onlyBlock(CERTIFICATE_LABEL, text));
    return this.load(AUTHORITY_KEY, true, (text) => {
      if (certificate === undefined) throw new KeyStoreError(`${AUTHORITY_CERTIFICATE} is missing beside it`);
      return new OverlayAuthority(HostIdentity.fromPkcs8(onlyBlock(KEY_LABEL, text)), certificate);
    });
  }

  /** @throws {KeyStoreError} also when there is one already. */
  saveAuthority(authority: OverlayAuthority): void {
    const { certificate, pkcs8 } = authority;
    // Without its key the certificate does nothing: written first, it may be replaced after a crash between the two.
    if (this.directory.read(AUTHORITY_KEY, { secret: true }) === undefined)
      this.directory.write(AUTHORITY_CERTIFICATE, encodePem(CERTIFICATE_LABEL, certificate), { secret: false });
    this.directory.write(AUTHORITY_KEY, encodePem(KEY_LABEL, pkcs8), { secret: true, createOnly: true });
  }

  /** The register of the authority or an inviter, an empty one at first; it writes its changes here itself. */
  loadRegister(overlay: string): EnrollmentRegister {
    const store = this.registerFiles;
    const { json, journal } = store.read();
    return this.parsed(store.path, () => new EnrollmentRegister({ overlay, json, journal, store }));
  }

  /** In place of what is there. */
  saveRegister(register: EnrollmentRegister): void {
    this.registerFiles.write([register.toJson()]);
  }

  /** DER: what makes this host an inviter. */
  loadGrant(): Uint8Array | undefined {
    return this.load(GRANT, false, (text) => parseCertificate(onlyBlock(CERTIFICATE_LABEL, text)).der);
  }

  saveGrant(grant: Uint8Array): void {
    this.directory.write(GRANT, encodePem(CERTIFICATE_LABEL, grant), { secret: false });
  }

  /** 16 bytes; undefined: this host has none. */
  loadRendezvousSecret(): Uint8Array | undefined {
    return this.load(RENDEZVOUS, true, (text) => {
      const secret = fromHex(text.trim());
      if (secret.length !== RENDEZVOUS_SECRET_BYTES) throw new TypeError('not 16 bytes');
      return secret;
    });
  }

  saveRendezvousSecret(secret: Uint8Array): void {
    this.directory.write(RENDEZVOUS, `${toHex(secret)}\n`, { secret: true });
  }

  /** As membership writes them; undefined at first. */
  loadRecords(): Uint8Array | undefined {
    return this.directory.read(RECORDS, { secret: true });
  }

  saveRecords(records: Uint8Array): void {
    this.directory.write(RECORDS, records, { secret: true });
  }

  /** Empty at first. */
  loadContacts(): ContactBook {
    return this.load(CONTACTS, true, (json) => ContactBook.fromJson(json)) ?? new ContactBook();
  }

  saveContacts(contacts: ContactBook): void {
    this.directory.write(CONTACTS, contacts.toJson(), { secret: true });
  }

  /** Without holding anything up. */
  saveContactsSoon(contacts: ContactBook): Promise<void> {
    return this.directory.writeSoon(CONTACTS, contacts.pieces(), { secret: true });
  }

  private load<T>(name: string, secret: boolean, parse: (text: string) => T): T | undefined {
    const bytes = this.directory.read(name, { secret });
    if (bytes === undefined) return undefined;
    return this.parsed(this.directory.pathOf(name), () => parse(Buffer.from(bytes).toString('utf8')));
  }

  private parsed<T>(path: string, parse: () => T): T {
    try {
      return parse();
    } catch (cause) {
      throw new KeyStoreError(
        `${path} is broken (${messageOf(cause)}): restore it from a backup, or move it away to start anew`,
        { cause },
      );
    }
  }
}

function onlyBlock(label: string, text: string): Uint8Array {
  const [block, more] = decodePem(label, text);
  if (block === undefined || more !== undefined) throw new TypeError(`not one block with the label ${label}`);
  return block;
}
