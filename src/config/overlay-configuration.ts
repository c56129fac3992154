import type { NodeId } from '../base/node-id.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import { CERTIFICATE_LIFETIME_MS } from '../identity/certificate-issuer.ts';
import type { OverlayMode } from '../identity/trust-store.ts';
import { DEFAULT_IPV4_PREFIX } from '../base/ipv4-prefix.ts';

/** RFC 6940 s11.1. */
export const BASE_NAMESPACE = 'urn:ietf:params:xml:ns:p2p:config-base';
export const CHORD_NAMESPACE = 'urn:ietf:params:xml:ns:p2p:config-chord';
/** Ours: `mode`, `ipv4-prefix`, `dns-name`, `certificate-lifetime`, `rendezvous`. A mandatory extension: Node-IDs are HITs, which RFC 6940 alone does not expect. */
export const IDLOC_NAMESPACE = 'urn:idloc:config';

/** RFC 6940 s11.1: between 0 and 2^16-2. */
export const MAX_SEQUENCE = 65_534;
export const MAX_ROOT_CERTIFICATES = 4;
export const MAX_BOOTSTRAP_NODES = 32;
/** Revocations that must outlast the overlay's storage; others are records in the overlay. */
export const MAX_BAD_NODES = 500;
export const MAX_KINDS = 64;

/** Where members look for each other beside the LAN: nowhere, or in BitTorrent's Mainline DHT, which sees their addresses. */
export type RendezvousMode = 'none' | 'mainline';

export type DataModel = 'SINGLE' | 'ARRAY' | 'DICTIONARY';
export const DATA_MODELS: readonly DataModel[] = ['SINGLE', 'ARRAY', 'DICTIONARY'];

/** A Kind that members must support. */
export interface KindBlock {
  /** A Kind-ID of private space, or the name that IANA registered. */
  readonly kind: number | string;
  readonly dataModel: DataModel;
  /** USER-MATCH, NODE-MATCH, USER-NODE-MATCH, NODE-MULTIPLE, or another policy that the node must know by its name. */
  readonly accessControl: string;
  readonly maxCount: number;
  /** Bytes. */
  readonly maxSize: number;
  /** Only with NODE-MULTIPLE. */
  readonly maxNodeMultiple?: number;
}

/** What all members of an overlay agree on (RFC 6940 s11.1). */
export interface OverlayConfiguration {
  /** instance-name. */
  readonly overlay: string;
  /** 0 to 65534, grows with each change. */
  readonly sequence: number;
  /** Milliseconds since the epoch; null: none. */
  readonly expiration: number | null;
  /** DER. */
  readonly rootCertificates: readonly Uint8Array[];
  readonly mode: OverlayMode;
  readonly bootstrapNodes: readonly SocketAddress[];
  readonly clientsPermitted: boolean;
  /** Reciprocal of the part of nodes that relay; 0: none does. */
  readonly turnDensity: number;
  /** Bytes. */
  readonly maxMessageSize: number;
  readonly initialTtl: number;
  /** At least 200. */
  readonly reliabilityTimerMs: number;
  readonly chordUpdateIntervalS: number;
  readonly chordPingIntervalS: number;
  readonly chordReactive: boolean;
  readonly configurationSigners: readonly NodeId[];
  /** Revoked. */
  readonly badNodes: readonly NodeId[];
  readonly kinds: readonly KindBlock[];
  /** `198.18.0.0/15`: members claim addresses in it. */
  readonly ipv4Prefix: string;
  /** The domain under which members have their names. */
  readonly dnsName: string;
  /** How long certificates of members live: they are renewed at two thirds of it. */
  readonly certificateLifetimeS: number;
  readonly rendezvous: RendezvousMode;
}

/** What may change while an overlay lives: everything else is in members' addresses, names and stored values. */
export type OverlayChange = Partial<Pick<OverlayConfiguration, 'rendezvous' | 'certificateLifetimeS'>>;

/** RFC 6940's defaults (s11.1, s10.7.4) for everything that is not given. */
export function overlayConfiguration(
  given: Pick<OverlayConfiguration, 'overlay'> & Partial<OverlayConfiguration>,
): OverlayConfiguration {
  return {
    sequence: 1,
    expiration: null,
    rootCertificates: [],
    mode: 'invite',
    bootstrapNodes: [],
    clientsPermitted: true,
    turnDensity: 1,
    maxMessageSize: 5000,
    initialTtl: 100,
    reliabilityTimerMs: 3000,
    chordUpdateIntervalS: 600,
    chordPingIntervalS: 3600,
    chordReactive: true,
    configurationSigners: [],
    badNodes: [],
    kinds: [],
    ipv4Prefix: DEFAULT_IPV4_PREFIX,
    dnsName: given.overlay,
    certificateLifetimeS: CERTIFICATE_LIFETIME_MS / 1000,
    rendezvous: 'none',
    ...given,
  };
}
