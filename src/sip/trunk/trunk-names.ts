import { isIpAddress } from '../../base/ip-address.ts';
import { firstHeader, headerRows } from '../message/headers.ts';
import type { SipHeader, SipRequest } from '../message/message.ts';
import { formatNameAddr, parseNameAddr } from '../message/name-addr.ts';
import { formatUri, parseUri, type SipUri } from '../message/uri.ts';
import { ANONYMOUS_HOST, type OverlayNames } from '../names.ts';
import { dialledNumber, readNumber } from '../numbers.ts';
import type { TrunkAccount } from './account.ts';
import type { Wanted } from './server-location.ts';

/** RFC 3323 s4.1.1.3. */
const ANONYMOUS = `"Anonymous" <sip:anonymous@${ANONYMOUS_HOST}>`;
const NO_PARAMS: ReadonlyMap<string, string> = new Map();

/** A call that goes out. */
export interface Outbound {
  readonly uri: string;
  readonly servers: Wanted;
  /** Of From, without a tag. */
  readonly from: string;
  readonly to: string;
  readonly headers: readonly SipHeader[];
  readonly isEmergency: boolean;
}

/** A call that comes in. */
export interface Inbound {
  readonly uri: string;
  readonly from: string;
  readonly to: string;
}

export interface Refusal {
  readonly status: number;
  readonly reason: string;
}

/** Whom a member has called in its place: a member. */
export interface ReferredInside {
  readonly uri: string;
  readonly to: string;
  readonly headers: readonly SipHeader[];
}

/** Who is who on both sides of a trunk: numbers and domains outside, members inside. */
export class TrunkNames {
  private readonly account: TrunkAccount;
  private readonly overlay: OverlayNames;

  constructor(account: TrunkAccount, overlay: OverlayNames) {
    this.account = account;
    this.overlay = overlay;
  }

  /** @param request of a member, whom P-Asserted-Identity names: the adaptor wrote it, after what was proven. */
  outbound(request: SipRequest): Outbound | Refusal {
    const { account } = this;
    const number = dialledNumber(request.uri, account.plan);
    const caller = this.labelOf(firstHeader(request, 'p-asserted-identity'));
    const isAllowed = caller !== undefined && (account.callers?.includes(caller) ?? true);
    // Whoever is in need of help is connected.
    if (!isAllowed && number?.isEmergency !== true) return { status: 403, reason: 'Not a Caller of This Gateway' };
    const isAnonymous = parseUri(parseNameAddr(firstHeader(request, 'from') ?? '')?.uri ?? '')?.host === ANONYMOUS_HOST;
    const identity = `<${this.identityOf(caller)}>`;
    const from = isAnonymous
      ? {
          from: ANONYMOUS,
          headers: [
            { name: 'Privacy', value: 'id' },
            { name: 'P-Preferred-Identity', value: identity },
          ],
        }
      : { from: identity, headers: [] };
    if (number !== undefined) {
      const uri = `sip:${number.number.replaceAll('#', '%23')}@${account.domain};user=phone`;
      return { uri, to: `<${uri}>`, servers: account.server, isEmergency: number.isEmergency, ...from };
    }
    const uri = parseUri(request.uri);
    if (uri === undefined || this.overlay.addresseeOf(uri).kind !== 'foreign')
      return { status: 404, reason: 'Not Found' };
    const isProvider = uri.host === account.domain;
    if (!account.isOpen && !isProvider) return { status: 404, reason: 'Not a Domain of This Gateway' };
    const transport = uri.params.get('transport') === 'tcp' ? ('tcp' as const) : undefined;
    const plain = formatUri({ ...uri, password: undefined, headers: '', params: NO_PARAMS });
    const servers = isProvider ? account.server : { host: uri.host, port: uri.port, transport };
    return { uri: plain, to: `<${plain}>`, servers, isEmergency: false, ...from };
  }

  /** @param request of the world outside. */
  inbound(request: SipRequest): Inbound | Refusal {
    const { account } = this;
    const called = [request.uri, parseNameAddr(firstHeader(request, 'to') ?? '')?.uri ?? ''];
    const label = called.map((uri) => this.memberOf(uri)).find((member) => member !== undefined) ?? account.defaultUser;
    if (label === undefined) return { status: 404, reason: 'Not Found' };
    const uri = `sip:${this.overlay.aorOf(label)}`;
    return { uri, to: `<${uri}>`, from: this.callerOf(firstHeader(request, 'from') ?? '') };
  }

  /** @param request a member's REFER, in a call. */
  referred(request: SipRequest): ReferredInside | Outbound | Refusal {
    const { account, overlay } = this;
    const rows = headerRows(request.headers, 'refer-to');
    const text = parseNameAddr(rows[0]?.value ?? '')?.uri ?? '';
    const uri = parseUri(text);
    const number = dialledNumber(text, account.plan);
    // RFC 3515 s2.4.1: "exactly one".
    if (rows.length !== 1 || (uri === undefined && number === undefined))
      return { status: 400, reason: 'Bad Refer-To' };
    if ((uri?.params.get('method') ?? 'INVITE').toUpperCase() !== 'INVITE')
      return { status: 403, reason: 'Only Calls Are Handed On' };
    if (number?.isEmergency === true) return { status: 403, reason: 'Calls for Help Are Not Handed On' };
    const replaces = replacesIn(uri?.headers ?? '');
    if (replaces === null) return { status: 400, reason: 'Bad Refer-To' };
    const headers = replaces === undefined ? [] : [{ name: 'Replaces', value: replaces }];
    const label = number && this.byNumber(number.number);
    const addressee = uri && overlay.addresseeOf(uri);
    const aor = label ?? (number === undefined && addressee?.kind === 'aor' ? addressee.aor.split('@')[0] : undefined);
    const isPhone = number === undefined && addressee?.kind === 'address';
    const plain = uri && formatUri({ ...uri, params: withoutMethod(uri), password: undefined, headers: '' });
    const member = aor === undefined ? (isPhone ? plain : undefined) : `sip:${overlay.aorOf(aor)}`;
    if (member !== undefined) return { uri: member, to: `<${member}>`, headers };
    return this.outbound({ ...request, uri: plain ?? text });
  }

  private memberOf(called: string): string | undefined {
    const { plan, isOpen } = this.account;
    const uri = parseUri(called);
    const byNumber = this.byNumber(dialledNumber(called, plan)?.number ?? uri?.user ?? '');
    if (byNumber !== undefined || !isOpen || uri === undefined) return byNumber;
    const addressee = this.overlay.addresseeOf(uri);
    return addressee.kind === 'aor' ? addressee.aor.split('@')[0] : undefined;
  }

  private byNumber(number: string): string | undefined {
    return this.account.numbers.get(number) ?? this.account.assigned?.get(number);
  }

  /** Never a name of the overlay: who calls from outside has proven nothing to it. */
  private callerOf(from: string): string {
    const { account } = this;
    const said = parseNameAddr(from);
    const uri = parseUri(said?.uri ?? '');
    const displayName = said?.displayName.slice(0, 64) ?? '';
    if (uri?.host === ANONYMOUS_HOST) return ANONYMOUS;
    const number = readNumber(uri?.user ?? said?.uri.replace(/^tel:/i, '') ?? '', account.plan)?.number;
    if (number !== undefined)
      return formatNameAddr({
        displayName,
        uri: `sip:${number.replaceAll('#', '%23')}@${account.domain};user=phone`,
        params: NO_PARAMS,
      });
    if (uri?.user === undefined) return ANONYMOUS;
    const isForeign = this.overlay.addresseeOf(uri).kind === 'foreign' && !isIpAddress(uri.host);
    const host = isForeign ? uri.host : account.domain;
    const own = { scheme: 'sip' as const, user: uri.user, host, params: NO_PARAMS, headers: '' };
    return formatNameAddr({ displayName, uri: formatUri(own), params: NO_PARAMS });
  }

  /** The member's own number, else the account's, else its name. */
  private identityOf(caller: string | undefined): string {
    const { numbers, assigned = [], user, domain } = this.account;
    const all = [...numbers, ...assigned];
    const own = caller === undefined ? undefined : all.find(([, label]) => label === caller)?.[0];
    if (own !== undefined) return `sip:${own}@${domain}`;
    if (user !== undefined) return `sip:${user}@${domain}`;
    return `sip:${caller === undefined ? `anonymous@${domain}` : this.overlay.aorOf(caller)}`;
  }

  private labelOf(asserted: string | undefined): string | undefined {
    const uri = parseUri(parseNameAddr(asserted ?? '')?.uri ?? '');
    const addressee = uri === undefined ? undefined : this.overlay.addresseeOf(uri);
    return addressee?.kind === 'aor' ? addressee.aor.split('@')[0] : undefined;
  }
}

function withoutMethod({ params }: SipUri): ReadonlyMap<string, string> {
  return new Map([...params].filter(([name]) => name !== 'method'));
}

/** RFC 3891 s4: in a Refer-To, the call of his that somebody is to leave. @param headers of its URI @returns null: it is none */
function replacesIn(headers: string): string | null | undefined {
  const found = headers.split('&').find((header) => /^replaces=/i.test(header));
  if (found === undefined) return undefined;
  try {
    const value = decodeURIComponent(found.slice(found.indexOf('=') + 1));
    return /^[\x21-\x7e][\x20-\x7e]{0,511}$/.test(value) ? value : null;
  } catch {
    return null;
  }
}
