import { isIpAddress } from '../base/ip-address.ts';
import type { PhoneNote } from './phone-journal.ts';
import type { TrunkState } from './trunk/trunk-state.ts';

// Implementation constants.

/** What was wrong before is of no interest. */
const MAX_AGE_MS = 3_600_000;
/** Phones refresh their registrations when half or nine tenths of their time are over. */
const LAST_PART = 0.1;
const MAX_CLOCK_S = 60;

/** One thing that is wrong. */
export interface SipFinding {
  /** For programs: stays the same. */
  readonly id: string;
  /** `error`: calls fail; `warning`: they work, or some of them. */
  readonly level: 'error' | 'warning';
  readonly what: string;
  /** What a person can do. */
  readonly mend: string;
  /** When it was seen last, milliseconds ago; absent: it is so now. */
  readonly agoMs?: number;
}

export interface SipFacts {
  /** `no tun`: the host has no overlay addresses for programs. */
  readonly adaptor: 'on' | 'off' | 'no tun';
  /** Of the host; null: it has none. */
  readonly user: string | null;
  readonly overlay: string;
  readonly interfaceName: string;
  readonly port: number;
  /** Where phones find the adaptor without DNS. */
  readonly proxies: readonly string[];
  /** Another program has the port. */
  readonly isPortTaken: boolean;
  /** `udp 198.18.0.1:5062` */
  readonly notListening: readonly string[];
  /** `asked`: names of the overlay lead programs here. */
  readonly dns: 'asked' | 'not asked' | 'off';
  /** Of the DNS stub. */
  readonly stub: string | undefined;
  readonly phones: readonly {
    readonly contact: string;
    readonly leftMs: number;
    readonly lifetimeMs: number;
  }[];
  readonly notes: readonly (Omit<PhoneNote, 'at'> & { readonly agoMs: number })[];
  /** Undefined: this host is no gateway. */
  readonly trunk: TrunkState | undefined;
  /** What relays media does not answer at that address; it is needed by that setting. Undefined: all is well with it. */
  readonly missingRelay: { readonly neededBy: string; readonly addr: string } | undefined;
  /** How far the host's clock is behind the overlay's. */
  readonly clockOffsetS: number;
}

/** What keeps phones of this host from being called and from calling, the worst first; with what mends it. */
export function examineSip(facts: SipFacts): SipFinding[] {
  const { adaptor } = facts;
  if (adaptor !== 'on')
    return [
      {
        ...{ id: 'off', level: 'error' },
        what:
          adaptor === 'off'
            ? 'the SIP adaptor is off'
            : 'this agent runs without a TUN, and so without the SIP adaptor',
        mend: adaptor === 'off' ? 'set sip.enable = true' : 'set tun.enable = true, and start it without --no-tun',
      },
    ];
  const found = [
    ...ofHost(facts),
    ...ofNames(facts),
    ...ofPhones(facts),
    ...ofTrunk(facts),
    ...ofRelay(facts),
    ...ofNotes(facts),
  ];
  return found.sort((a, b) => rank(a) - rank(b));
}

function rank({ level }: SipFinding): number {
  return level === 'error' ? 0 : 1;
}

function ofHost({ user, port, isPortTaken, notListening, clockOffsetS, interfaceName }: SipFacts): SipFinding[] {
  const found: SipFinding[] = [];
  if (user === null)
    found.push({
      ...{ id: 'no-name', level: 'error' },
      what: 'this host has no name in the overlay: no phone can register',
      mend: 'let a member with the right to invite give it one: idloc rename HIT NAME',
    });
  if (isPortTaken)
    found.push({
      ...{ id: 'port-taken', level: 'error' },
      what: `another program has port ${port}: ${notListening.join(', ')}`,
      mend: `end that program (ss -lnp 'sport = :${port}' names it), or choose another port: sip.port`,
    });
  else if (notListening.length > 0)
    found.push({
      ...{ id: 'not-listening', level: 'error' },
      what: `the adaptor does not listen yet: ${notListening.join(', ')}`,
      mend: `see whether ${interfaceName} has its addresses: idloc status, ip address show dev ${interfaceName}`,
    });
  if (Math.abs(clockOffsetS) > MAX_CLOCK_S)
    found.push({
      ...{ id: 'clock', level: 'warning' },
      what: `this host's clock is wrong by ${Math.abs(Math.round(clockOffsetS))} s`,
      mend: 'set the clock: phones that look at Date, and the night, go by it',
    });
  return found;
}

function ofNames({ dns, stub, overlay, proxies }: SipFacts): SipFinding[] {
  const byHand = `set the proxy of each phone to ${proxies.join(' or ')}`;
  if (dns === 'asked') return [];
  if (dns === 'off' || stub === undefined)
    return [
      {
        id: 'dns-off',
        level: 'warning',
        what: 'the DNS stub is off: phones do not find the adaptor by name',
        mend: byHand,
      },
    ];
  return [
    {
      ...{ id: 'resolver', level: 'warning' },
      what: `this machine's resolver does not ask the DNS stub for ${overlay}: phones do not find the adaptor by name`,
      mend: `let it ask ${stub} for ${overlay}, tell the phones that DNS server, or ${byHand}`,
    },
  ];
}

function ofPhones({ phones, user, overlay, proxies }: SipFacts): SipFinding[] {
  if (phones.length === 0 && user !== null)
    return [
      {
        ...{ id: 'no-phone', level: 'error' },
        what: `no phone is registered as ${user}`,
        mend: `give a phone the account ${user.split('@')[0] ?? user}, the domain ${overlay}, any password, and "register"; without our DNS the proxy ${proxies.join(' or ')}`,
      },
    ];
  return phones
    .filter(({ leftMs, lifetimeMs }) => leftMs < LAST_PART * lifetimeMs)
    .map(({ contact, leftMs }) => ({
      ...{ id: 'expires', level: 'warning' },
      what: `the registration of ${contact} ends in ${Math.ceil(leftMs / 1000)} s, and the phone has not renewed it`,
      mend: 'see whether the phone runs; let it register anew',
    }));
}

function ofTrunk({ trunk }: SipFacts): SipFinding[] {
  if (trunk?.state !== 'failed') return [];
  const { domain, why } = trunk;
  return [
    {
      ...{ id: 'trunk', level: 'error' },
      what: `no calls pass to and from ${domain}: ${why ?? 'it is not known why'}`,
      mend: mendOfTrunk(why ?? ''),
    },
  ];
}

function mendOfTrunk(why: string): string {
  if (/^4\d\d /.test(why)) return 'see whether user, login and password of sip.trunk are as the provider has them';
  if (/certificate is of .* not of /.test(why))
    return 'see whether domain and server of sip.trunk are as the provider has them; if it has another name in its certificate, that is sip.trunk.tls_name';
  if (why.includes('certificate'))
    return 'see what the provider says of its certificates, and this host of the time; nothing is sent to it until then, and it is tried again';
  return 'see whether sip.trunk.server is right, and whether this host reaches it; it is tried again';
}

function ofRelay({ missingRelay }: SipFacts): SipFinding[] {
  if (missingRelay === undefined) return [];
  const { neededBy, addr } = missingRelay;
  return [
    {
      ...{ id: 'media-relay', level: 'error' },
      what: `rtpengine does not answer at ${addr}, and ${neededBy} needs it`,
      mend: 'apt-get install rtpengine-daemon && systemctl enable --now idloc-media',
    },
  ];
}

function ofNotes({ notes, ...facts }: SipFacts): SipFinding[] {
  return notes
    .filter(({ agoMs }) => agoMs < MAX_AGE_MS)
    .reverse()
    .map((note) => ({ ...ofNote(note, facts), agoMs: note.agoMs }));
}

function ofNote(
  { kind, phone, detail }: Pick<PhoneNote, 'kind' | 'phone' | 'detail'>,
  { interfaceName, user }: Pick<SipFacts, 'interfaceName' | 'user'>,
): SipFinding {
  const useInterface = `let it use the interface ${interfaceName} (net_interface of baresip), and switch its STUN, ICE and "public address" off`;
  switch (kind) {
    case 'interface':
      return {
        ...{ id: 'wrong-interface', level: 'warning' },
        what: `${phone} registers with addresses that lead nowhere in the overlay: ${detail}; it is called where it came from`,
        mend: useInterface,
      };
    case 'unheard':
      return {
        ...{ id: 'wrong-source', level: 'error' },
        what: `${phone} sends from ${detail}, which is no address of the overlay: it is not heard`,
        mend: useInterface,
      };
    case 'session':
      return {
        ...{ id: 'wrong-sdp', level: 'warning' },
        what: `${phone} tells others addresses for media that they cannot reach: ${detail}; those of this host are put in their place`,
        mend: useInterface,
      };
    case 'refused':
      return {
        ...{ id: 'wrong-user', level: 'error' },
        what: `${phone} is refused (403): ${detail}`,
        mend:
          user === null
            ? 'give this host a name'
            : `set its account to ${user}: phones of this host speak for its user alone`,
      };
    case 'gone':
      return {
        ...{ id: 'unregistered', level: 'warning' },
        what: `${phone} is not registered any more: ${detail}`,
        mend: 'see whether the phone runs, and whether "register" is on',
      };
  }
}

/** `sip:[2001:20::1]:5062` */
export function proxyUri(address: string, port: number): string {
  return `sip:${isIpAddress(address) && address.includes(':') ? `[${address}]` : address}:${port}`;
}
