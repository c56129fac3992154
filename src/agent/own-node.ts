import type { Hit } from '../base/node-id.ts';
import type { Logger } from '../base/logger.ts';
import type { OverlayClock } from '../base/overlay-clock.ts';
import type { Random } from '../base/random.ts';
import type { HostIdentity } from '../identity/host-identity.ts';
import type { TrustStore } from '../identity/trust-store.ts';
import type { Membership } from '../membership/membership.ts';
import type { OwnCertificate } from '../membership/own-certificate.ts';
import { Roster } from '../membership/roster.ts';
import type { OverlayRole } from '../overlay/events.ts';
import type { OverlayLinks } from '../overlay/links.ts';
import { NameService } from '../overlay/naming.ts';
import { OverlayNode } from '../overlay/overlay-node.ts';
import { Reservations } from '../overlay/reservations.ts';
import { TurnRecords, type TurnRecordsPorts } from '../overlay/turn-records.ts';
import type { VerifySignature } from '../overlay/security/signing.ts';
import type { OverlaySettings } from '../overlay/settings.ts';
import type { ValueFile } from '../overlay/storage/value-file.ts';
import { GATEWAY_RECORD } from '../sip/usage/gateway-directory.ts';
import { marksOf, NUMBER_MARKS_RECORD, NumberRecords } from '../sip/usage/number-records.ts';
import { SipRecords } from '../sip/usage/sip-records.ts';

// Implementation constants.

/** Messages that came before our role was decided, half a second at most; each is no longer than the overlay allows. */
const MAX_EARLY_MESSAGES = 64;

export interface OwnNodeComponents {
  readonly identity: HostIdentity;
  readonly membership: Pick<Membership, 'acceptConfiguration' | 'answer' | 'user'> & {
    readonly own: Pick<OwnCertificate, 'messageChain'>;
  };
  readonly trust: Pick<TrustStore, 'verifyMember' | 'isInviter'>;
  readonly configuration: OverlaySettings;
  /** Where what this host stores for others outlives a restart. Absent: it does not. */
  readonly values?: ValueFile | undefined;
  readonly links: OverlayLinks;
  readonly random: Random;
  readonly clock: OverlayClock;
  readonly logger: Logger;
  readonly verifySignature?: VerifySignature | undefined;
  readonly timeIsKnown: () => boolean;
  /** This host as a TURN server for members. */
  readonly turnServer: TurnRecordsPorts;
  /** What phones that are registered at this host take (RFC 3840); undefined: there are none. Absent: nor will there be. */
  readonly phones?: (() => string | undefined) | undefined;
  /** The domain of this host's trunk; undefined: it has no way out now. Absent: nor will it have one. */
  readonly gateway?: (() => string | undefined) | undefined;
  /** E.164 number to the user to whom this host's gateway has given it. Absent: it is no gateway. */
  readonly numbers?: (() => ReadonlyMap<string, string>) | undefined;
  /** Our overlay IPv4 address is claimed. */
  readonly ipv4Claimed: (address: string) => void;
}

export interface OwnNodeOptions {
  /** CIDR. */
  readonly ipv4Prefix: string;
  /** The IPv4 address that we claimed in a former life. */
  readonly ipv4: string | undefined;
}

/** What goes with the user's name. */
type UserRecords = Pick<SipRecords, 'changed' | 'releaseName' | 'giveBack'>;

export interface NodeParts {
  readonly overlay: OverlayNode;
  readonly names: NameService;
  /** Names that we keep for those to whom we give them, where we may invite. */
  readonly reservations: Reservations;
  readonly roster: Roster;
  readonly turnRecords: TurnRecords;
  /** Absent: phones do not register here. */
  readonly sipRecords?: SipRecords;
  /** Absent: this host is no gateway. */
  readonly gatewayRecords?: SipRecords;
  /** Absent: this host is no gateway. */
  readonly numberRecords?: NumberRecords;
  readonly numberMarks?: SipRecords;
}

/** Our node of the overlay, with what it claims there for us: name, address and our line in the list of members. */
export class OwnNode {
  private readonly components: OwnNodeComponents;
  private readonly options: OwnNodeOptions;
  private made: NodeParts | undefined;
  /** What came before the node was there: a peer tells of itself as soon as the link is up. */
  private early: { readonly hit: Hit; readonly data: Uint8Array }[] = [];

  constructor(components: OwnNodeComponents, options: OwnNodeOptions) {
    this.components = components;
    this.options = options;
  }

  /** Undefined until our role is decided. */
  get parts(): NodeParts | undefined {
    return this.made;
  }

  get overlay(): OverlayNode | undefined {
    return this.made?.overlay;
  }

  get names(): NameService | undefined {
    return this.made?.names;
  }

  get roster(): Roster | undefined {
    return this.made?.roster;
  }

  /** What is stored about SIP at the user's name, and at places that belong to it. */
  get userRecords(): readonly UserRecords[] {
    const { sipRecords, gatewayRecords, numberRecords, numberMarks } = this.made ?? {};
    return [sipRecords, gatewayRecords, numberRecords, numberMarks].filter((records) => records !== undefined);
  }

  /** Undefined while it is not in the overlay. */
  get joined(): NodeParts | undefined {
    return this.overlay?.state === 'joined' ? this.made : undefined;
  }

  /** Our overlay IPv4 address, claimed now or in a former life. */
  get ipv4(): string | undefined {
    return this.names?.ipv4 ?? this.options.ipv4;
  }

  /** Our role is decided; the node knows of no link yet. */
  make(role: OverlayRole): NodeParts {
    const { membership, trust, timeIsKnown, identity, configuration, values, links } = this.components;
    const { random, clock, logger, verifySignature } = this.components;
    const overlay = new OverlayNode(
      {
        identity,
        certificates: membership.own.messageChain,
        trust: {
          verifyMember: (chain, wallNow) => trust.verifyMember(chain, wallNow, { anyTime: !timeIsKnown() }),
          isInviter: (hit) => trust.isInviter(hit),
        },
        configuration,
        values,
        links,
        random,
        clock,
        logger,
        acceptConfiguration: membership.acceptConfiguration,
        experimental: membership.answer,
        mayEnter: timeIsKnown,
        ...(verifySignature && { verifySignature }),
      },
      { role },
    );
    const names = new NameService({ overlay, clock, logger });
    names.onEvent((event) => {
      if (event.type === 'ipv4Claimed') this.components.ipv4Claimed(event.address);
      else if (event.type === 'ipv4Exhausted')
        logger.error('no free IPv4 address', { prefix: this.options.ipv4Prefix });
    });
    const reservations = new Reservations({ overlay });
    const turnRecords = new TurnRecords({ overlay, ports: this.components.turnServer, random, logger });
    const roster = new Roster({ overlay, clock, logger });
    const { phones, gateway, numbers } = this.components;
    const sip = phones && { sipRecords: new SipRecords({ overlay, ports: { own: phones }, random, logger }) };
    const out = gateway && {
      gatewayRecords: new SipRecords({ overlay, ports: { own: gateway }, random, logger }, GATEWAY_RECORD),
    };
    const own = numbers && {
      numberRecords: new NumberRecords({ overlay, ports: { own: numbers }, random, logger }),
      numberMarks: new SipRecords(
        { overlay, ports: { own: () => marksOf(configuration.name, numbers().keys()) }, random, logger },
        NUMBER_MARKS_RECORD,
      ),
    };
    this.made = { overlay, names, reservations, roster, turnRecords, ...sip, ...out, ...own };
    return this.made;
  }

  /** Only with the right time: what is dated wrong is refused, or holds its place for too long. */
  claim(now: number): void {
    const { names, components, options } = this;
    const { user } = components.membership;
    if (user !== null) names?.claimName(user, now);
    names?.claimIpv4({ prefix: options.ipv4Prefix, preferred: options.ipv4 }, now);
  }

  /** A message of a member; it is kept for the node that is not there yet. */
  receive(hit: Hit, data: Uint8Array, now: number): void {
    const { overlay } = this;
    if (overlay !== undefined) overlay.receive(hit, data, now);
    else if (this.early.length < MAX_EARLY_MESSAGES) this.early.push({ hit, data: data.slice() });
  }

  /** The node knows of the links, and is on its way into the overlay. */
  receiveEarly(now: number): void {
    for (const { hit, data } of this.early.splice(0)) this.overlay?.receive(hit, data, now);
  }
}
