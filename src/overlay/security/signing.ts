import { ByteWriter, fromHex, toHex } from '../../base/bytes.ts';
import type { NodeId } from '../../base/node-id.ts';
import { sha256, verifySignature } from '../../identity/signature.ts';
import {
  type GenericCertificate,
  type KnownBody,
  type MessageEnvelope,
  type Signature,
  type SignerIdentity,
  CERTIFICATE_TYPE_X509,
  HASH_ALGORITHMS,
  SIGNATURE_ALGORITHMS,
  contentsOf,
  encodeContents,
  encodeSecurityBlock,
  messageSignatureInput,
  signerIdentityBytes,
} from '../../reload/index.ts';
import type { CertificateCache, Signer } from './certificate-cache.ts';

/** The private key; a HostIdentity is one. */
export interface SigningKey {
  readonly hit: NodeId;
  /** DER SubjectPublicKeyInfo. */
  readonly spki: Uint8Array;
  /** ECDSA with SHA-256, DER. */
  sign(data: Uint8Array): Uint8Array;
}

export type VerifySignature = (spki: Uint8Array, data: Uint8Array, signature: Uint8Array) => boolean;

/** Signs as this node, and says who signed what others sent (RFC 6940 s6.3.4). */
export class Signing {
  private own: Signer;
  readonly cache: CertificateCache;
  private readonly key: SigningKey;
  private readonly overlay: number;
  private identity: SignerIdentity;
  private identityBytes: Uint8Array;
  private readonly verifyBytes: VerifySignature;

  constructor(components: {
    key: SigningKey;
    /** DER, this node's own first. */
    chain: readonly Uint8Array[];
    user: string | null;
    /** The overlay field of the forwarding header. */
    overlay: number;
    cache: CertificateCache;
    verifySignature?: VerifySignature;
  }) {
    const { key, chain, user } = components;
    this.key = key;
    this.overlay = components.overlay;
    this.cache = components.cache;
    this.verifyBytes = components.verifySignature ?? verifySignature;
    this.own = signerOf(key, chain, user);
    this.identity = identityOf(this.own);
    this.identityBytes = signerIdentityBytes(this.identity);
  }

  /** This node as others see it. */
  get self(): Signer {
    return this.own;
  }

  /** The same key has another certificate. */
  renew(chain: readonly Uint8Array[], user: string | null): void {
    this.own = signerOf(this.key, chain, user);
    this.identity = identityOf(this.own);
    this.identityBytes = signerIdentityBytes(this.identity);
  }

  /** MessageContents and security block, ready to stand behind a forwarding header. */
  seal(transactionId: bigint, body: KnownBody, certificates: readonly Uint8Array[] = []): Uint8Array {
    const contents = encodeContents(contentsOf(body));
    const input = messageSignatureInput(this.overlay, transactionId, contents, this.identityBytes);
    const writer = new ByteWriter();
    writer.bytes(contents);
    encodeSecurityBlock(writer, { certificates: this.bucket(certificates), signature: this.signatureOver(input) });
    return writer.finish();
  }

  /** Who signed the message; undefined when that cannot be proven. */
  open(envelope: MessageEnvelope, wallNow: number): Signer | undefined {
    const { header, security, contentsBytes } = envelope;
    const signer = this.cache.resolve(security.signature.identity, security.certificates, wallNow);
    if (signer === undefined || !isEcdsaSha256(security.signature)) return undefined;
    const input = messageSignatureInput(
      header.overlay,
      header.transactionId,
      contentsBytes,
      envelope.signerIdentityBytes,
    );
    return this.verifyBytes(signer.spki, input, security.signature.value) ? signer : undefined;
  }

  /** Signs a value of this node (s7.1); `input` makes what is signed from the identity. */
  signValue(input: (identity: SignerIdentity) => Uint8Array): Signature {
    return this.signatureOver(input(this.identity));
  }

  /** Who signed a value; `bucket` are the certificates of the message that it came in. */
  openValue(
    signature: Signature,
    input: (identity: SignerIdentity) => Uint8Array,
    bucket: readonly GenericCertificate[],
    wallNow: number,
  ): Signer | undefined {
    if (!isEcdsaSha256(signature)) return undefined;
    const { identity } = signature;
    const own = identity.type === 'cert_hash' && toHex(identity.hash) === this.self.hash;
    const signer = own ? this.self : this.cache.resolve(identity, bucket, wallNow);
    if (signer === undefined) return undefined;
    return this.verifyBytes(signer.spki, input(identity), signature.value) ? signer : undefined;
  }

  private signatureOver(input: Uint8Array): Signature {
    return {
      hashAlgorithm: HASH_ALGORITHMS.sha256,
      signatureAlgorithm: SIGNATURE_ALGORITHMS.ecdsa,
      identity: this.identity,
      value: this.key.sign(input),
    };
  }

  /** Each certificate once, this node's own first. */
  private bucket(others: readonly Uint8Array[]): GenericCertificate[] {
    const seen = new Set<string>();
    const bucket: GenericCertificate[] = [];
    for (const certificate of [...this.self.chain, ...others]) {
      const key = Buffer.from(certificate.buffer, certificate.byteOffset, certificate.byteLength).toString('latin1');
      if (seen.has(key)) continue;
      seen.add(key);
      bucket.push({ type: CERTIFICATE_TYPE_X509, certificate });
    }
    return bucket;
  }
}

function signerOf(key: SigningKey, chain: readonly Uint8Array[], user: string | null): Signer {
  const [own] = chain;
  if (own === undefined) throw new TypeError('a node needs its certificate');
  return { nodeId: key.hit, user, spki: key.spki, chain, hash: toHex(sha256(own)) };
}

function identityOf({ hash }: Signer): SignerIdentity {
  return { type: 'cert_hash', hashAlgorithm: HASH_ALGORITHMS.sha256, hash: fromHex(hash) };
}

/** Keys of ORCHIDs are ECDSA keys: no other suite can be meant. */
function isEcdsaSha256({ hashAlgorithm, signatureAlgorithm }: Signature): boolean {
  return hashAlgorithm === HASH_ALGORITHMS.sha256 && signatureAlgorithm === SIGNATURE_ALGORITHMS.ecdsa;
}
