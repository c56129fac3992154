import type { CandidateType } from '../base/candidate.ts';
import type { Hit } from '../base/node-id.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import type { VerifiedPeer } from '../identity/trust-store.ts';
import type { LinkId } from '../native/data-plane.ts';
import type { AssociationState } from './association.ts';
import type { MappingBehavior } from '../mobility/mapping-behavior.ts';
import type { Reflexive } from '../mobility/sightings.ts';

/** The path of a link as people see it. */
export interface LinkPath {
  readonly type: CandidateType;
  /** Absent: the kernel chooses, no pair was selected yet. */
  readonly local?: SocketAddress;
  readonly remote: SocketAddress;
  /** Of a relayed one: the member that hands on. Both addresses are HITs then. */
  readonly via?: Hit;
  /** `tls`: it is a stream, to `remote` by TCP. `turn`: by a TURN server of ours, where `local` is the relayed address. */
  readonly over?: 'tls' | 'turn';
}

export type LinkEvent =
  /**
   * The link can be used: `link` is to be authorized, when the peer is a member. Told again when a living link got another
   * association (`replaced`: the peer has restarted; the data plane's link is another one). A guest (`peer.member` false) is
   * told once.
   */
  | {
      readonly type: 'up';
      readonly hit: Hit;
      readonly peer: VerifiedPeer;
      readonly link: LinkId;
      readonly replaced: boolean;
    }
  /** Its path was mended by an ICE restart, or it answers again after `silent`: the same association, so nothing was forgotten. */
  | { readonly type: 'mended'; readonly hit: Hit }
  /**
   * The peer acknowledges nothing, while others do: until `mended`, `up` or `down` is told, others are better asked. The link
   * itself goes on, as its path may be mended.
   */
  | { readonly type: 'silent'; readonly hit: Hit }
  /** What it was sent lately is not acknowledged yet, or a resting link gives no sign of life: others are to be asked, and it. */
  | { readonly type: 'doubtful'; readonly hit: Hit }
  /**
   * Nobody can be asked any more: the last link that worked has ended its consent, or its peer says that it knows nothing of
   * us. As long as this host is in a network, others are to be looked for as after the loss of all links.
   */
  | { readonly type: 'noneWorks' }
  /** The link is gone, or an attempt to make it came to nothing. `byPeer`: the other end has closed it. */
  | { readonly type: 'down'; readonly hit: Hit; readonly reason: string; readonly byPeer: boolean }
  /** Another host has shown this host's own key, at an address that does not lead back here. */
  | { readonly type: 'double'; readonly remote: SocketAddress }
  /** One whole RELOAD message. */
  | { readonly type: 'message'; readonly hit: Hit; readonly member: boolean; readonly data: Uint8Array }
  | { readonly type: 'path'; readonly hit: Hit; readonly path: LinkPath }
  /** Only an AppAttach through the overlay can mend its path: connect to this HIT. Told again until it works or is down. */
  | { readonly type: 'needsRestart'; readonly hit: Hit }
  /** Negotiated with this HIT, but no path was found, nor a member that hands on: a TURN server is needed. */
  | { readonly type: 'needsRelay'; readonly hit: Hit }
  /** `connectDirect` failed before the peer proved who it is. */
  | { readonly type: 'connectFailed'; readonly remote: SocketAddress; readonly reason: string };

export interface LinkSnapshot {
  readonly hit: Hit;
  /** The user that the certificate names. */
  readonly name?: string;
  /** `mending`: up, but its path is broken or doubtful. */
  readonly state: AssociationState | 'mending';
  readonly path?: LinkPath;
  readonly rttMs?: number;
  /** 0 to 1, of the last consent checks. */
  readonly loss: number;
  readonly dataPlaneLink: LinkId;
  /** DTLS handshakes of this association: 1 for its life. */
  readonly handshakes: number;
}

export interface LinksSnapshot {
  readonly links: readonly LinkSnapshot[];
  readonly reflexive: readonly Reflexive[];
  readonly natMapping: MappingBehavior;
}
