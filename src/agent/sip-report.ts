import { Resolver } from 'node:dns/promises';
import { formatSocketAddress, type SocketAddress } from '../base/socket-address.ts';
import type { Result, Status } from '../control/schemas.ts';
import type { TrunkState } from '../sip/trunk/trunk-state.ts';
import { examineSip, proxyUri, type SipFacts } from '../sip/doctor.ts';
import type { BoundPhone, PhoneJournal } from '../sip/phone-journal.ts';

// Implementation constants.

/** A resolver that asks nobody is not waited for. */
const ASK_MS = 1_000;

/** What a SIP host knows of itself, as of now. */
export interface SipKnowledge {
  readonly port: number;
  readonly interfaceName: string;
  readonly addresses: readonly string[];
  readonly isListening: boolean;
  readonly isPortTaken: boolean;
  /** `udp 198.18.0.1:5062` */
  readonly notListening: readonly string[];
  readonly phones: readonly BoundPhone[];
  readonly journal: PhoneJournal;
  /** Undefined: this host is no gateway. */
  readonly trunk: TrunkState | undefined;
  /** What relays media: who needs it, as its settings call that, where it is to be, and whether it is. Undefined: nobody needs it. */
  readonly relay:
    { readonly neededBy: string; readonly addr: string; readonly isThere: () => Promise<boolean> } | undefined;
  /** Monotonic milliseconds. */
  readonly now: number;
  readonly wallNow: number;
}

export function sipStatus(known: SipKnowledge | undefined): Status['sip'] {
  if (known === undefined) return null;
  const { now, wallNow, journal } = known;
  const atWall = (at: number): number => Math.round(wallNow - now + at);
  return {
    port: known.port,
    listening: known.isListening,
    trunk: known.trunk ?? null,
    phones: known.phones.map((phone) => ({
      user: phone.aor,
      contact: phone.contact,
      transport: phone.flow.transport === 'udp' ? 'udp' : 'tcp',
      address: formatSocketAddress(phone.flow.remote),
      since: atWall(journal.since(phone)),
      until: atWall(phone.expiresAt),
    })),
  };
}

/** What is wrong with phones of this host, and what mends it. */
export async function sipDoctor(
  known: SipKnowledge | undefined,
  host: {
    readonly hasTun: boolean;
    readonly user: string | null;
    readonly overlay: string;
    readonly dnsName: string;
    readonly stub: SocketAddress | undefined;
    readonly clockOffsetS: number;
  },
): Promise<Result<'doctor'>> {
  const { hasTun, user, overlay, dnsName, stub, clockOffsetS } = host;
  const dns = known === undefined || stub === undefined ? 'off' : await asksUs(dnsName, known.port);
  const relay = known?.relay;
  const facts: SipFacts = {
    adaptor: known !== undefined ? 'on' : hasTun ? 'off' : 'no tun',
    ...{ user, overlay, dns, clockOffsetS },
    stub: stub === undefined ? undefined : formatSocketAddress(stub),
    interfaceName: known?.interfaceName ?? '',
    port: known?.port ?? 0,
    proxies: known?.addresses.map((address) => proxyUri(address, known.port)) ?? [],
    isPortTaken: known?.isPortTaken ?? false,
    notListening: known?.notListening ?? [],
    phones:
      known?.phones.map(({ contact, updatedAt, expiresAt }) => ({
        contact,
        leftMs: expiresAt - known.now,
        lifetimeMs: expiresAt - updatedAt,
      })) ?? [],
    trunk: known?.trunk,
    missingRelay: relay === undefined || (await relay.isThere()) ? undefined : relay,
    notes: known?.journal.notes.map(({ at, ...note }) => ({ ...note, agoMs: Math.round(known.now - at) })) ?? [],
  };
  return { topic: 'sip', findings: examineSip(facts) };
}

/** As a phone without a resolver of its own asks (RFC 3263 s4.2). */
async function asksUs(dnsName: string, port: number): Promise<SipFacts['dns']> {
  const resolver = new Resolver({ timeout: ASK_MS, tries: 1 });
  try {
    const records = await resolver.resolveSrv(`_sip._udp.${dnsName}`);
    return records.some((record) => record.port === port) ? 'asked' : 'not asked';
  } catch {
    return 'not asked';
  }
}
