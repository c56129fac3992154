import { earliest, type Timed } from '../base/clock.ts';
import { MalformedMessageError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import { formatSocketAddress, sameSocketAddress, type SocketAddress } from '../base/socket-address.ts';
import { isGloballyReachable } from '../mobility/reachability.ts';
import type { Attempt, Input, Lease, Outcome, Protocol, Transmit, Wanted } from './attempt.ts';
import { ASK_AGAIN_MS, LEAST_PAUSE_MS, MAX_LIFETIME_S, MIN_LIFETIME_S } from './constants.ts';
import { decodeNatPmpAnswer } from './nat-pmp.ts';
import { NatPmpAttempt } from './nat-pmp-attempt.ts';
import { decodePcpAnswer } from './pcp.ts';
import { PcpAttempt } from './pcp-attempt.ts';
import { RouterClock } from './router-clock.ts';
import { UpnpAttempt } from './upnp-attempt.ts';

/** PCP is NAT-PMP's successor at the same port; UPnP takes the most and says the least. */
const ORDER: readonly Protocol[] = ['pcp', 'nat-pmp', 'upnp'];
const NAMES: Readonly<Record<Protocol, string>> = { pcp: 'PCP', 'nat-pmp': 'NAT-PMP', upnp: 'UPnP' };

/** Where we are: our address towards the router that our default route goes by. */
export interface Uplink {
  readonly gateway: string;
  readonly local: string;
}

export interface PortMapping {
  /** `asking`: not known yet. */
  readonly state: 'asking' | 'mapped' | 'none';
  /** What others can send to. */
  readonly external: SocketAddress | undefined;
  readonly protocol: Protocol | undefined;
  /** Why there is none, for a person. */
  readonly why: string | undefined;
}

interface Held {
  readonly lease: Lease;
  readonly expiresAt: number;
}

/**
 * Has the router send to us what comes to a port of its own: asks by PCP, NAT-PMP or UPnP, the first that works; renews at half
 * of the life; asks anew when the network changes and when the router says that it has started; takes the mapping away in the
 * end. No router and no answer ends it.
 */
export class PortMapper implements Timed {
  private readonly random: Random;
  private readonly logger: Logger;
  private readonly port: number;
  private readonly nonceFor: (uplink: Uplink) => Uint8Array;
  private readonly routerClock = new RouterClock();
  private uplink: Uplink | undefined;
  private wanted: Wanted | undefined;
  private attempt: Attempt | undefined;
  private held: Held | undefined;
  /** To be tried in this round. */
  private plan: Protocol[] = [];
  /** What the tried ones answered in this round. */
  private reasons: string[] = [];
  private roundAt = -Infinity;
  /** When something is asked next of its own accord. */
  private againAt: number | undefined;
  private stopping = false;
  private report: PortMapping = { state: 'asking', external: undefined, protocol: undefined, why: undefined };
  private handler: (mapping: PortMapping) => void = () => undefined;

  /**
   * @param options.port our UDP port.
   * @param options.nonceFor 12 bytes for PCP that nobody else knows; the same for the same uplink, also after a crash.
   */
  constructor(
    components: { readonly random: Random; readonly logger: Logger },
    options: { readonly port: number; readonly nonceFor: (uplink: Uplink) => Uint8Array },
  ) {
    this.random = components.random;
    this.logger = components.logger;
    this.port = options.port;
    this.nonceFor = options.nonceFor;
  }

  get mapping(): PortMapping {
    return this.report;
  }

  /** Told each change of `mapping`. */
  onChange(handler: (mapping: PortMapping) => void): void {
    this.handler = handler;
  }

  /** Whether nothing is under way any more after `stop`. */
  get stopped(): boolean {
    return this.stopping && this.attempt === undefined;
  }

  /**
   * The network may have changed. The same uplink may be another router with the addresses of the last one: it is asked too.
   * @param uplink undefined: no IPv4 router.
   */
  setUplink(uplink: Uplink | undefined, now: number): void {
    if (this.stopping) return;
    const before = this.uplink;
    if (uplink !== undefined && before?.gateway === uplink.gateway && before.local === uplink.local) {
      if (this.wanted !== undefined) this.askSoon(now);
      return;
    }
    this.uplink = uplink;
    this.wanted = undefined;
    this.attempt = this.held = this.againAt = undefined;
    this.routerClock.forget();
    if (uplink === undefined) this.change(none('this host has no IPv4 router'));
    else if (isGloballyReachable(uplink.local)) this.change(none('not needed: this host has a public address'));
    else {
      this.wanted = { ...uplink, port: this.port, nonce: this.nonceFor(uplink), random: this.random };
      this.change({ state: 'asking', external: undefined, protocol: undefined, why: undefined });
      this.beginRound(now);
    }
  }

  input(input: Input, now: number): void {
    this.attempt?.input(input, now);
    this.settle(now);
  }

  /** A multicast from the port of PCP servers, which all hosts can forge: at most a reason to ask. */
  announced(data: Uint8Array, from: SocketAddress, now: number): void {
    if (this.wanted === undefined || from.address !== this.wanted.gateway || this.stopping) return;
    const told = decodeAnnouncement(data);
    if (told === undefined) return;
    const { held } = this;
    const restarted = this.routerClock.lostState(told.epochS, now);
    const moved = told.address !== undefined && held !== undefined && told.address !== held.lease.external.address;
    this.logger.debug('portmap.announcement', { restarted, moved });
    if (restarted || moved || held === undefined) this.askSoon(now);
  }

  pollTransmit(): Transmit | undefined {
    return this.attempt?.pollTransmit();
  }

  nextTimeout(): number | undefined {
    if (this.attempt !== undefined) return earliest(this.attempt.nextTimeout(), this.held?.expiresAt);
    return earliest(this.againAt, this.held?.expiresAt);
  }

  handleTimeout(now: number): void {
    if (this.held !== undefined && now >= this.held.expiresAt) {
      this.held = undefined;
      this.change(none('the mapping was not renewed'));
    }
    if ((this.attempt?.nextTimeout() ?? Infinity) <= now) this.attempt?.handleTimeout(now);
    this.settle(now);
    if (this.attempt === undefined && this.againAt !== undefined && now >= this.againAt) this.beginRound(now);
  }

  /** Takes the mapping away. Idempotent. */
  stop(now: number): void {
    if (this.stopping) return;
    this.stopping = true;
    this.againAt = undefined;
    this.plan = [];
    this.attempt = this.held?.lease.removal(now);
    this.held = undefined;
  }

  private askSoon(now: number): void {
    this.againAt = Math.max(now, this.roundAt + LEAST_PAUSE_MS);
  }

  /** Whoever mapped last is asked first, and alone as long as it does. */
  private beginRound(now: number): void {
    this.roundAt = now;
    this.againAt = undefined;
    this.reasons = [];
    this.plan = [...ORDER];
    if (this.held !== undefined) this.attempt = this.held.lease.renewal(now);
    else this.next(now);
  }

  /** @returns whether there was another protocol to ask by. */
  private next(now: number): boolean {
    const protocol = this.plan.shift();
    const { wanted } = this;
    if (protocol === undefined || wanted === undefined) return false;
    this.attempt = attemptBy(protocol, wanted, now);
    return true;
  }

  /** Goes on when the attempt has ended. */
  private settle(now: number): void {
    while (this.attempt?.outcome !== undefined) this.ended(this.attempt.protocol, this.attempt.outcome, now);
  }

  private ended(protocol: Protocol, outcome: Outcome, now: number): void {
    this.attempt = undefined;
    if (this.stopping) return;
    if (outcome.ok) {
      if (outcome.lease !== undefined) this.granted(outcome.lease, now);
      return;
    }
    this.logger.debug('portmap.failed', { by: protocol, reason: outcome.why });
    if (outcome.heard) this.reasons.push(`${NAMES[protocol]}: ${outcome.why}`);
    if (!this.next(now)) this.refused(now);
  }

  private granted(lease: Lease, now: number): void {
    const lifetimeS = Math.min(Math.max(lease.lifetimeS, MIN_LIFETIME_S), MAX_LIFETIME_S);
    this.held = { lease, expiresAt: now + lifetimeS * 1_000 };
    if (lease.epochS !== undefined) this.routerClock.lostState(lease.epochS, now);
    // RFC 6887 s11.2.1: between a half and five eighths.
    this.againAt ??= now + lifetimeS * 1_000 * (0.5 + this.random.float() / 8);
    const { external, protocol } = lease;
    if (isGloballyReachable(external.address))
      this.change({ state: 'mapped', external, protocol, why: undefined }, { lifetimeS });
    else
      this.change({
        ...none(`the router's own address ${external.address} is behind another NAT`),
        protocol,
      });
  }

  private refused(now: number): void {
    this.againAt ??= now + ASK_AGAIN_MS;
    // What is there stays until it expires.
    if (this.held !== undefined) return;
    const { gateway = '' } = this.wanted ?? {};
    const silent = `the router ${gateway} answers neither PCP, NAT-PMP nor UPnP`;
    this.change(none(this.reasons.length === 0 ? silent : `the router ${gateway} refuses: ${this.reasons.join('; ')}`));
  }

  private change(mapping: PortMapping, fields: { readonly lifetimeS?: number } = {}): void {
    const before = this.report;
    this.report = mapping;
    const { state, external, protocol, why } = mapping;
    const same =
      external === undefined || before.external === undefined
        ? external === before.external
        : sameSocketAddress(external, before.external);
    if (same && state === before.state && protocol === before.protocol && why === before.why) return;
    if (external !== undefined)
      this.logger.info('port mapped', { addr: formatSocketAddress(external), by: protocol, ...fields });
    else if (state === 'none') this.logger.info('port not mapped', { reason: why });
    this.handler(mapping);
  }
}

function none(why: string): PortMapping {
  return { state: 'none', external: undefined, protocol: undefined, why };
}

function attemptBy(protocol: Protocol, wanted: Wanted, now: number): Attempt {
  switch (protocol) {
    case 'pcp':
      return new PcpAttempt(wanted, now);
    case 'nat-pmp':
      return new NatPmpAttempt(wanted, now);
    case 'upnp':
      return new UpnpAttempt(wanted, now);
  }
}

/** PCP's ANNOUNCE (RFC 6887 s14.1), NAT-PMP's address (RFC 6886 s3.2.1); undefined: neither. */
function decodeAnnouncement(data: Uint8Array): { epochS: number; address: string | undefined } | undefined {
  try {
    if (data[0] === 0) {
      const answer = decodeNatPmpAnswer(data);
      return answer.type === 'address' ? { epochS: answer.epochS, address: answer.address } : undefined;
    }
    const answer = decodePcpAnswer(data);
    return answer.type === 'announce' ? { epochS: answer.epochS, address: undefined } : undefined;
  } catch (error) {
    if (error instanceof MalformedMessageError) return undefined;
    throw error;
  }
}
