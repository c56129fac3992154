import { fromHex } from '../../../src/base/bytes.ts';
import { parseIpv4Prefix } from '../../../src/base/ipv4-prefix.ts';
import { systemClock } from '../../../src/base/clock.ts';
import type { NodeId, ResourceId } from '../../../src/base/node-id.ts';
import { systemRandom } from '../../../src/base/random.ts';
import type { OverlayAuthority } from '../../../src/identity/authority.ts';
import { HostIdentity } from '../../../src/identity/host-identity.ts';
import type { TrustStore } from '../../../src/identity/trust-store.ts';
import { orchidRing } from '../../../src/overlay/chord/ring.ts';
import { ipv4Choice } from '../../../src/overlay/ipv4-choice.ts';
import { CertificateCache } from '../../../src/overlay/security/certificate-cache.ts';
import { Signing } from '../../../src/overlay/security/signing.ts';
import { type Kind, IDLOC_HOST, IDLOC_IPV4, IDLOC_NAME } from '../../../src/overlay/storage/kinds.ts';
import {
  encodeHostValue,
  encodeIpv4Value,
  encodeNameValue,
  ipv4ResourceName,
} from '../../../src/overlay/storage/values.ts';
import {
  type StoreRequest,
  type StoredDataValue,
  dataSignatureInput,
  overlayField,
} from '../../../src/reload/index.ts';

const LIFETIME_S = 86_400;

/** A member that exists by its key and its certificate: it signs what the flooder sends. */
export class PaperMember {
  readonly id: NodeId;
  readonly user: string;
  readonly certificates: readonly Uint8Array[];
  readonly signing: Signing;

  constructor(number: number, authority: OverlayAuthority, trust: TrustStore) {
    const identity = HostIdentity.generate();
    this.id = identity.hit;
    this.user = `paper${number}@${authority.overlay}`;
    this.certificates = [
      ...authority.issue(identity.spki, this.user, systemClock.wall(), systemRandom),
      authority.certificate,
    ];
    this.signing = new Signing({
      key: identity,
      chain: this.certificates,
      user: this.user,
      overlay: overlayField(authority.overlay),
      cache: new CertificateCache(trust),
    });
  }

  /** A Store of its record as a host, another with each storage time. */
  host(replicaNumber: number, storageTime: number): StoreRequest {
    const value = encodeHostValue({ user: this.user, ipv4: '198.18.0.1' });
    const resource = orchidRing.resourceIdOf(fromHex(this.id));
    return this.store(resource, IDLOC_HOST, { model: 'single', exists: true, value }, replicaNumber, storageTime);
  }

  name(replicaNumber: number, storageTime: number): StoreRequest {
    const value = {
      model: 'dictionary' as const,
      key: fromHex(this.id),
      exists: true,
      value: encodeNameValue({ ipv4: null }),
    };
    return this.store(orchidRing.resourceIdOf(this.user), IDLOC_NAME, value, replicaNumber, storageTime);
  }

  /** A claim on the address of that choice, or its return. */
  claim(ipv4Prefix: string, choice: number, exists: boolean, replicaNumber: number, storageTime: number): StoreRequest {
    const ipv4 = ipv4Choice(parseIpv4Prefix(ipv4Prefix), this.id, choice);
    const value = exists ? encodeIpv4Value({ ipv4, hit: this.id, choice, user: this.user }) : new Uint8Array();
    const resource = orchidRing.resourceIdOf(ipv4ResourceName(ipv4));
    return this.store(resource, IDLOC_IPV4, { model: 'single', exists, value }, replicaNumber, storageTime);
  }

  private store(
    resource: ResourceId,
    kind: Kind,
    value: StoredDataValue,
    replicaNumber: number,
    time: number,
  ): StoreRequest {
    const storageTime = BigInt(time);
    const signature = this.signing.signValue((identity) =>
      dataSignatureInput(resource, kind.id, storageTime, value, identity),
    );
    const values = [{ storageTime, lifetime: LIFETIME_S, value, signature }];
    return {
      type: 'store_req',
      resource,
      replicaNumber,
      kindData: [{ kind: kind.id, generationCounter: 0n, values }],
    };
  }
}
