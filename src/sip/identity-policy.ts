import { hitToAddress } from '../base/node-id.ts';
import { isUserName } from '../identity/names.ts';
import { type Caller, callerName } from './callers.ts';
import { headerValues, firstHeader, prependHeader, withHeader, withoutHeader } from './message/headers.ts';
import type { SipMessage, SipRequest, SipResponse } from './message/message.ts';
import { formatNameAddr, parseNameAddr } from './message/name-addr.ts';
import { parseUri } from './message/uri.ts';
import { ANONYMOUS_HOST, type OverlayNames } from './names.ts';
import { isLoopback, type Parties, type Party, type ProvenMember } from './parties.ts';
import { gruuPlace } from './registrar/gruu.ts';

/** What only a proxy that is trusted may say (RFC 3325 s5, and what came before it). */
const ASSERTIONS = ['P-Asserted-Identity', 'P-Preferred-Identity', 'Remote-Party-ID'];

/** RFC 3323 s4.1.1.3. */
const ANONYMOUS_NAME = 'Anonymous';

export interface Refusal {
  readonly status: number;
  readonly reason: string;
}

/** Whose calls come from elsewhere than from a phone of this host. */
export type CallingParty = Extract<Party, { kind: 'member' | 'trunk' }>;

/**
 * Who may say what of itself. What the link has proven of a member is told to the called phone in P-Asserted-Identity
 * (RFC 3325), and a From that claims another member is refused, at the caller's adaptor, and at the called one, which trusts
 * nobody's word.
 */
export class IdentityPolicy {
  private readonly names: OverlayNames;
  private readonly own: ProvenMember;
  private readonly parties: Parties;
  private readonly trustHeader: string | undefined;
  private readonly gateways: readonly string[];

  constructor(
    components: { names: OverlayNames; own: ProvenMember; parties: Parties },
    options: {
      /** AoRs of members whose hosts bring calls of others, who are no members. */
      readonly gateways?: readonly string[] | undefined;
      /** A header field of the user's choice that tells phones what was proven. */
      readonly trustHeader?: string | undefined;
    },
  ) {
    this.names = components.names;
    this.own = components.own;
    this.parties = components.parties;
    this.trustHeader = options.trustHeader;
    this.gateways = options.gateways ?? [];
  }

  /** Undefined: this party may say so. */
  refusalOf(request: SipRequest, party: Party): Refusal | undefined {
    if (party.kind === 'stranger') return { status: 403, reason: 'Not a Member' };
    const member = party.kind === 'member' ? party : this.own;
    const claims = [firstHeader(request, 'from'), ...headerValues(request, 'p-preferred-identity')];
    if (party.kind === 'trunk') return undefined;
    const isGateway = party.kind === 'member' && this.isGateway(party);
    return claims.every((claim) => this.isTrue(claim, member) || (isGateway && this.isForeign(claim)))
      ? undefined
      : { status: 403, reason: member.user === null ? 'This Host Has No Name' : `From Must Be ${member.user}` };
  }

  /** Whether a member that answers is whom the To says. */
  isAddressee(response: SipResponse, member: ProvenMember): boolean {
    return this.isTrue(firstHeader(response, 'to'), member);
  }

  /** Who calls, once it may say so: a member by what its link has proven, or whom a gateway brings, by its From. */
  callerOf(request: SipRequest, party: CallingParty): Caller {
    const { hit, user } = party.kind === 'member' ? party : this.own;
    const member = user ?? hit;
    const claim = firstHeader(request, 'from');
    if (party.kind === 'trunk' || this.isBrought(claim, party)) {
      const uri = parseUri(parseNameAddr(claim ?? '')?.uri ?? '');
      const label = callerName(uri?.user ?? '');
      // A label alone is a member's, in settings.
      const numbers = label.startsWith('+') ? [label] : [];
      return { member, isMember: false, names: [...numbers, `${label}@${uri?.host.toLowerCase() ?? ''}`] };
    }
    const names = user === null ? [] : [user, user.split('@')[0] ?? user];
    return { member, isMember: true, names: [...names, hitToAddress(hit)] };
  }

  /** What a phone says that only we may say goes no further. */
  fromPhone<M extends SipMessage>(message: M): M {
    return this.withoutAssertions(message);
  }

  /**
   * What the phone is told of a member that calls or answers, also of one that would rather not say: phones of members are within what
   * RFC 3325 calls the trust domain, Spec(T), and `Privacy: id` is for what leaves it (s7).
   */
  toPhone<M extends SipMessage>(message: M, party: Party): M {
    let told = this.withoutAssertions(message);
    if (party.kind !== 'member') return told;
    // Behind a gateway is who has proven nothing: the phone sees a domain that is not the overlay's.
    const speaker = firstHeader(message, message.type === 'request' ? 'from' : 'to');
    if (this.isBrought(speaker, party)) {
      const gateway = `unproven; gateway=${hitToAddress(party.hit)}`;
      return this.trustHeader === undefined ? told : prependHeader(told, this.trustHeader, gateway);
    }
    if (message.type === 'request') told = withProvenName(told, party);
    const address = hitToAddress(party.hit);
    told = prependHeader(told, 'P-Asserted-Identity', `<sip:${party.user ?? `[${address}]`}>`);
    return this.trustHeader === undefined ? told : prependHeader(told, this.trustHeader, `proven; hit=${address}`);
  }

  private isGateway({ user }: ProvenMember): boolean {
    return user !== null && this.gateways.includes(user);
  }

  /** A gateway brings whoever does not say that it is the gateway's own user: who says nothing, too. */
  private isBrought(claim: string | undefined, member: ProvenMember): boolean {
    return this.isGateway(member) && (isAnonymous(claim) || !this.isTrue(claim, member));
  }

  /** Neither a name of the overlay nor an address: nobody takes it for a member. */
  private isForeign(claim: string | undefined): boolean {
    const uri = parseUri(parseNameAddr(claim ?? '')?.uri ?? '');
    const addressee = uri === undefined ? undefined : this.names.addresseeOf(uri);
    // A provider may have no domain but its address.
    if (addressee?.kind !== 'address') return addressee?.kind === 'foreign';
    return !this.parties.isOfOverlay(addressee.address) && !isLoopback(addressee.address);
  }

  private withoutAssertions<M extends SipMessage>(message: M): M {
    const names = this.trustHeader === undefined ? ASSERTIONS : [...ASSERTIONS, this.trustHeader];
    return names.reduce((rest, name) => withoutHeader(rest, name), message);
  }

  /** By name, by an address of the member's, or by a GRUU, which is what a called phone calls itself when it was called so. */
  private isTrue(claim: string | undefined, { user, hit }: ProvenMember): boolean {
    const uri = parseUri(parseNameAddr(claim ?? '')?.uri ?? '');
    if (uri === undefined) return false;
    if (isAnonymous(claim)) return true;
    const addressee = this.names.addresseeOf(uri);
    if (addressee.kind === 'address') return this.parties.hitAt(addressee.address) === hit;
    if (addressee.kind !== 'aor') return false;
    // A public GRUU has the name in it: the host alone, which anybody can write there, makes no name true. A temporary one has none.
    return addressee.aor === user || (!isUserName(addressee.aor) && gruuPlace(uri)?.hit === hit);
  }
}

/**
 * Phones show the display name of From, which anybody can write, before its URI, and of a URI with an address in it the user part. What is
 * not the member's own name becomes it.
 */
function withProvenName<M extends SipMessage>(message: M, { user, hit }: ProvenMember): M {
  const claim = firstHeader(message, 'from');
  const said = parseNameAddr(claim ?? '');
  if (said === undefined) return message;
  const label = user?.split('@')[0] ?? hitToAddress(hit);
  const shown = said.displayName === '' ? parseUri(said.uri)?.user : said.displayName;
  const displayName = isAnonymous(claim) ? ANONYMOUS_NAME : label;
  if (shown?.toLowerCase() === displayName.toLowerCase()) return message;
  return withHeader(message, 'From', formatNameAddr({ ...said, displayName }));
}

function isAnonymous(claim: string | undefined): boolean {
  return parseUri(parseNameAddr(claim ?? '')?.uri ?? '')?.host === ANONYMOUS_HOST;
}
