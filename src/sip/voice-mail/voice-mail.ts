import type { SocketAddress } from '../../base/socket-address.ts';
import { isUserName, MAILBOX_LABEL } from '../../identity/names.ts';
import { type SipFlow, udpFlow } from '../flow.ts';
import type { SipRequest } from '../message/message.ts';
import { formatHostPort, parseUri } from '../message/uri.ts';
import type { OverlayNames } from '../names.ts';
import { isLoopback, type Parties, type Party } from '../parties.ts';
import type { LastResort, Located, Target } from '../proxy/ports.ts';
import { gruuPlace } from '../registrar/gruu.ts';
import { sessionFamilies } from '../sdp/families.ts';
import { sdpLines } from '../sdp/lines.ts';
import { sessionParts } from '../sdp/session-parts.ts';
import { MailboxCall } from './mailbox-call.ts';
import type { MachineCall, VoiceMailPorts } from './ports.ts';

/** Where an answering machine answers (src/machine/baresip.ts). */
const MACHINE_USER = 'voicemail';

/**
 * Voice mail beside the proxy: which calls have a mailbox for a last resort, and the call of a phone to the messages of its user.
 * The machine that answers is a phone of this host, on loopback.
 */
export class VoiceMail {
  private readonly components: {
    readonly names: OverlayNames;
    readonly parties: Parties;
    readonly ports: VoiceMailPorts;
    readonly own: { readonly user: string | null };
    readonly callerOf: (request: SipRequest, party: Extract<Party, { kind: 'trunk' }>) => string | undefined;
  };
  /** Where the adaptor hears SIP. */
  private readonly port: number;

  constructor(components: VoiceMail['components'], options: { readonly port: number }) {
    this.components = components;
    this.port = options.port;
  }

  /**
   * Of a call outside of a dialog to a member: by a phone of this host, or from the gateway beside it. The caller's host keeps what is said until it is stored.
   * @param findHolder of a call by a number: says, now or later, which member has it; absent: the Request-URI names the member.
   */
  lastResortOf(
    request: SipRequest,
    from: SipFlow,
    findHolder?: (done: (aor: string | undefined, now: number) => void) => void,
  ): LastResort | undefined {
    const { parties, ports } = this.components;
    const party = parties.of(from);
    if (request.method !== 'INVITE' || (party.kind !== 'phone' && party.kind !== 'trunk')) return undefined;
    const named = findHolder === undefined ? this.namedIn(request) : undefined;
    const caller = this.callerOf(request, party);
    if ((findHolder === undefined && named === undefined) || caller === undefined || !ports.isThere()) return undefined;
    return new MailboxCall({
      lookUp: (done) => {
        if (named !== undefined) ports.offerOf(named, done);
        else
          findHolder?.((aor, now) => {
            if (aor === undefined || !this.hasMailbox(aor)) done(undefined, now);
            else ports.offerOf(aor, done);
          });
      },
      answer: (offer, done) => {
        const call = { ...machineCall(request, from), from: caller };
        offer.answer(call, (at, now) => done(at && this.targetAt(at), now));
      },
    });
  }

  /** @returns whether a phone of this host asks for its user's messages: `done` is called once then, now or later. */
  pickUp(request: SipRequest, from: SipFlow, done: Located): boolean {
    const { names, parties, ports } = this.components;
    const uri = request.method === 'INVITE' ? parseUri(request.uri) : undefined;
    const addressee = uri === undefined ? undefined : names.addresseeOf(uri);
    if (addressee?.kind !== 'aor' || !this.isMailbox(addressee.aor) || parties.of(from).kind !== 'phone') return false;
    ports.playBack(machineCall(request, from), (at, now) => {
      const target = 'status' in at ? undefined : this.targetAt(at);
      return done('status' in at ? at : target === undefined ? [] : [target], now);
    });
    return true;
  }

  /** One phone of many, by its GRUU, has no mailbox. */
  private namedIn(request: SipRequest): string | undefined {
    const uri = parseUri(request.uri);
    const addressee =
      uri === undefined || gruuPlace(uri) !== undefined ? undefined : this.components.names.addresseeOf(uri);
    return addressee?.kind === 'aor' && this.hasMailbox(addressee.aor) ? addressee.aor : undefined;
  }

  private hasMailbox(aor: string): boolean {
    return isUserName(aor) && !this.isMailbox(aor);
  }

  /** Unless the user of this host was called so before there was voice mail. */
  private isMailbox(aor: string): boolean {
    return aor === this.components.names.aorOf(MAILBOX_LABEL) && aor !== this.components.own.user;
  }

  private callerOf(request: SipRequest, party: Extract<Party, { kind: 'phone' | 'trunk' }>): string | undefined {
    const { own, callerOf } = this.components;
    return party.kind === 'phone' ? (own.user ?? undefined) : callerOf(request, party);
  }

  private targetAt(remote: SocketAddress): Target | undefined {
    const { address, port } = remote;
    const own = isLoopback(address) ? address : this.components.parties.towards(address);
    if (own === undefined) return undefined;
    const flow = udpFlow({ local: { address: own, port: this.port }, remote });
    return { uri: `sip:${MACHINE_USER}@${formatHostPort(address, port)}`, flow };
  }
}

function machineCall(request: SipRequest, from: SipFlow): MachineCall {
  const families = sessionFamilies(request);
  const ofFlow = from.remote.address.includes(':') ? 6 : 4;
  const family = families.size === 0 ? ofFlow : families.has(4) ? 4 : 6;
  return { family, codec: offersG711(request) ? 'g711' : 'opus' };
}

/** RFC 3551 s6: payload types 0 and 8 are PCMU and PCMA. Whoever offers nothing yet has them. */
function offersG711(request: SipRequest): boolean {
  const media = sessionParts(request).flatMap(({ start, end }) =>
    [...sdpLines(Buffer.from(request.body.subarray(start, end)).toString('latin1'))]
      .map(({ text }) => text)
      .filter((line) => line.startsWith('m=audio ')),
  );
  return media.length === 0 || media.some((line) => /^m=audio \S+ \S+(?: \d+)* [08](?: |$)/.test(line));
}
