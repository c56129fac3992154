import type { Clock, Timed } from '../../base/clock.ts';
import { earliest } from '../../base/clock.ts';
import type { Hit } from '../../base/node-id.ts';
import type { Random } from '../../base/random.ts';
import type { SocketAddress } from '../../base/socket-address.ts';
import type { SipFlow } from '../flow.ts';
import type { SipHeader, SipRequest, SipResponse } from '../message/message.ts';
import { quote } from '../message/params.ts';
import type { SipUri } from '../message/uri.ts';
import type { OverlayNames } from '../names.ts';
import { isLoopback } from '../parties.ts';
import { responseTo } from '../transaction/responses.ts';
import { contactPreferences } from '../usage/contact-preferences.ts';
import { type Binding, flowTo } from './binding.ts';
import { changed } from './binding-changes.ts';
import { FLOW_TIMER_S, MAX_BINDINGS } from './constants.ts';
import {
  GRUU_KEY_BYTES,
  GRUU_NONCE_BYTES,
  gruuPlace,
  isTemporaryGruuOf,
  phoneId,
  publicGruu,
  temporaryGruu,
} from './gruu.ts';
import { header, readRegister, type Refusal, type RegisterRequest } from './register-request.ts';
import { fromSnapshot, type RegistrarSnapshot, toSnapshot } from './snapshot.ts';

export interface RegistrarPorts {
  /** Whether phones of this host may register as that user (`alice@home.example`). */
  owns(aor: string): boolean;
  /** Who may: for the one who tried as another. Null: nobody, this host has no name. */
  user(): string | null;
  /** An overlay address of this host. */
  isOwnAddress(address: string): boolean;
  /** Another address by which phones name this registrar, on the LAN. */
  isLanAddress?(address: string): boolean;
  /** Bindings have come, gone or been refreshed: `count` of the user are left. Within the call that did it. */
  changed(aor: string, count: number, now: number): void;
}

export interface RegistrarOptions {
  /** Of this host. */
  readonly hit: Hit;
  /** Flows that are kept as RFC 5626 says: over TCP CRLF is answered, over UDP STUN. */
  readonly outbound: readonly SipFlow['transport'][];
}

/** A phone that a call goes to. */
export interface ContactTarget {
  /** Its Contact: the Request-URI there. */
  readonly uri: string;
  readonly flow: SipFlow;
  /** 0 to 1. */
  readonly q: number;
  /** Where its REGISTER came from. */
  readonly received: SocketAddress;
  readonly instance: string | undefined;
}

/** Option tags of Require that are understood. */
const GRUU = 'gruu';
const OUTBOUND = 'outbound';

/**
 * The registrar beside the phone (RFC 3261 s10.3, RFC 5626 s6, RFC 5627 s5): which phones of this host are its user. A binding:
 *
 *   (none) ──REGISTER──> bound ──REGISTER (refresh)──> bound
 *                          └──expires 0, its time is up, its kept flow ends──> (none)
 *
 * No request ends it, and none of it is lost in `snapshot` and `restore`.
 */
export class Registrar implements Timed {
  private readonly names: OverlayNames;
  private readonly ports: RegistrarPorts;
  private readonly random: Random;
  private readonly clock: Clock;
  private readonly options: RegistrarOptions;
  /** By AoR, none of them empty. */
  private readonly bindings = new Map<string, readonly Binding[]>();

  constructor(
    components: { names: OverlayNames; ports: RegistrarPorts; random: Random; clock: Clock },
    options: RegistrarOptions,
  ) {
    this.names = components.names;
    this.ports = components.ports;
    this.random = components.random;
    this.clock = components.clock;
    this.options = options;
  }

  /** @param flow of a phone that may register here */
  register(request: SipRequest, flow: SipFlow, now: number): SipResponse {
    this.handleTimeout(now);
    return responseTo(request, this.carryOut(request, flow, now), this.random);
  }

  /** Phones of a user, the most wanted and latest first. */
  bindingsOf(aor: string, now: number): ContactTarget[] {
    return this.targets(this.boundTo(aor, now)).sort((a, b) => b.q - a.q);
  }

  /** All phones that are registered, of whatever user. */
  bound(now: number): readonly (Binding & { readonly aor: string })[] {
    return [...this.bindings.keys()].flatMap((aor) => this.boundTo(aor, now).map((binding) => ({ ...binding, aor })));
  }

  /** What the user's phones take (`SipRecordsPorts.own`); undefined: there are none. */
  preferencesOf(aor: string, now: number): string | undefined {
    const bound = this.boundTo(aor, now);
    return bound.length === 0 ? undefined : contactPreferences(bound.flatMap(({ methods }) => methods));
  }

  /** The phone that a GRUU names, by its latest binding; none: it is not of this host, or not registered. */
  lookUpGruu(uri: SipUri, now: number): ContactTarget[] {
    const place = gruuPlace(uri);
    if (place?.hit !== this.options.hit) return [];
    const all = [...this.bindings.keys()].flatMap((aor) => this.boundTo(aor, now).map((binding) => ({ aor, binding })));
    const addressee = this.names.addresseeOf(uri);
    const named = all.filter(({ aor, binding: { instance, gruuKey } }) => {
      if (instance === undefined) return false;
      if (place.phone === undefined) return isTemporaryGruuOf(uri.user ?? '', gruuKey);
      return addressee.kind === 'aor' && addressee.aor === aor && phoneId(aor, instance) === place.phone;
    });
    return this.targets(named.map(({ binding }) => binding));
  }

  /** A connection has ended: phones that are reached by it alone are not registered any more (RFC 5626 s5.3). */
  flowClosed({ key }: SipFlow, now: number): void {
    for (const [aor, before] of [...this.bindings]) {
      if (!before.some(({ flow, isFlowOpen }) => isFlowOpen && flow.key === key)) continue;
      const after = before.map((binding) => (binding.flow.key === key ? { ...binding, isFlowOpen: false } : binding));
      this.put(
        aor,
        after.filter((binding) => this.flowTo(binding) !== undefined),
        now,
      );
    }
  }

  nextTimeout(): number | undefined {
    return earliest(...[...this.bindings.values()].flatMap((bound) => bound.map(({ expiresAt }) => expiresAt)));
  }

  handleTimeout(now: number): void {
    for (const [aor, bound] of [...this.bindings]) {
      const left = bound.filter(({ expiresAt }) => expiresAt > now);
      if (left.length < bound.length) this.put(aor, left, now);
    }
  }

  /** For `restore` in a later life; plain data. */
  snapshot(): RegistrarSnapshot {
    return toSnapshot(this.bindings, this.clock.wall() - this.clock.monotonic());
  }

  /**
   * Own addresses are to be known by then, of phones whose connections have ended.
   * @param snapshot may hold anything: it was read from a file
   * @returns false when it is none; nothing is restored then. Phones that have registered since are left as they are.
   */
  restore(snapshot: unknown, now: number, wallNow: number): boolean {
    const kept = fromSnapshot(snapshot, now, wallNow);
    if (kept === undefined) return false;
    for (const aor of new Set(kept.map((one) => one.aor))) {
      if (this.bindings.has(aor)) continue;
      const theirs = kept.filter((one) => one.aor === aor && this.flowTo(one.binding) !== undefined);
      this.put(aor, theirs.map(({ binding }) => binding).slice(0, MAX_BINDINGS), now);
    }
    return true;
  }

  private carryOut(request: SipRequest, flow: SipFlow, now: number): Refusal {
    const asked = readRegister(request);
    if ('status' in asked) return asked;
    const aor = this.aorOf(asked);
    if (typeof aor !== 'string') return aor;
    const offersOutbound = this.options.outbound.includes(flow.transport);
    const unknown = asked.required.filter((tag) => tag !== GRUU && !(tag === OUTBOUND && offersOutbound));
    if (unknown.length > 0)
      return { status: 420, reason: 'Bad Extension', headers: [header('Unsupported', unknown.join(', '))] };
    const contacts = asked.changes.type === 'contacts' ? asked.changes.contacts : [];
    const hasFlow = contacts.some(({ regId }) => regId !== undefined);
    const isOutbound = offersOutbound && hasFlow && asked.supported.has(OUTBOUND);
    // RFC 5626 s6: what came through a proxy, which keeps no flow.
    if (isOutbound && !asked.isFirstHop) return { status: 439, reason: 'First Hop Lacks Outbound Support' };
    const newGruuKey = (): Uint8Array => this.random.bytes(GRUU_KEY_BYTES);
    const after = changed(this.bindings.get(aor) ?? [], asked, { flow, now, isOutbound, newGruuKey });
    if ('status' in after) return after;
    if (asked.changes.type !== 'none') this.put(aor, after, now);
    return { status: 200, reason: 'OK', headers: this.listed(aor, asked, { isOutbound, offersOutbound }, now) };
  }

  /** RFC 3261 s10.3, steps 1 and 3 to 5. A phone may have an address of this host for its domain. */
  private aorOf({ requestUri, to }: RegisterRequest): string | Refusal {
    if (!this.isHere(requestUri) || !this.isHere(to)) return { status: 404, reason: 'Not of This Overlay' };
    const addressee = this.names.addresseeOf(to);
    const aor = addressee.kind === 'aor' ? addressee.aor : this.names.aorOf(to.user?.toLowerCase() ?? '');
    if (this.ports.owns(aor)) return aor;
    const user = this.ports.user();
    return { status: 403, reason: user === null ? 'This Host Has No Name' : `To Must Be ${user}` };
  }

  private isHere(uri: SipUri): boolean {
    const addressee = this.names.addresseeOf(uri);
    if (addressee.kind === 'foreign') return uri.host === 'localhost';
    if (addressee.kind !== 'address') return true;
    const { address } = addressee;
    return isLoopback(address) || this.ports.isOwnAddress(address) || this.ports.isLanAddress?.(address) === true;
  }

  /** Step 8: all of them, with what is left of their time. */
  private listed(
    aor: string,
    { supported }: RegisterRequest,
    { isOutbound, offersOutbound }: { readonly isOutbound: boolean; readonly offersOutbound: boolean },
    now: number,
  ): SipHeader[] {
    const contacts = (this.bindings.get(aor) ?? []).map((binding) =>
      header('Contact', this.contactField(aor, binding, supported.has(GRUU), now)),
    );
    return [
      ...contacts,
      header('Date', new Date(this.clock.wall()).toUTCString()),
      header('Supported', [GRUU, ...(offersOutbound ? [OUTBOUND] : [])].join(', ')),
      ...(isOutbound ? [header('Require', OUTBOUND), header('Flow-Timer', FLOW_TIMER_S)] : []),
    ];
  }

  private contactField(aor: string, binding: Binding, withGruu: boolean, now: number): string {
    const { contact, expiresAt, q, instance, regId, gruuKey } = binding;
    const params = [`<${contact}>`, `expires=${Math.max(1, Math.ceil((expiresAt - now) / 1000))}`];
    if (q < 1) params.push(`q=${q}`);
    if (instance !== undefined) params.push(`+sip.instance=${quote(instance)}`);
    if (regId !== undefined) params.push(`reg-id=${regId}`);
    if (withGruu && instance !== undefined) {
      const { hit } = this.options;
      const [, domain = ''] = aor.split('@');
      const temporary = temporaryGruu(hit, domain, gruuKey, this.random.bytes(GRUU_NONCE_BYTES));
      params.push(`pub-gruu=${quote(publicGruu(hit, aor, instance))}`, `temp-gruu=${quote(temporary)}`);
    }
    return params.join(';');
  }

  private boundTo(aor: string, now: number): readonly Binding[] {
    if (!this.ports.owns(aor)) return [];
    return (this.bindings.get(aor) ?? []).filter(({ expiresAt }) => expiresAt > now);
  }

  /** The latest first; of one phone its latest alone: RFC 5626 s7 has no two of one instance in a target set. */
  private targets(bindings: readonly Binding[]): ContactTarget[] {
    const seen = new Set<string>();
    const targets: ContactTarget[] = [];
    for (const binding of [...bindings].reverse().sort((a, b) => b.updatedAt - a.updatedAt)) {
      const { instance, contact, q, flow: received } = binding;
      const flow = this.flowTo(binding);
      if (flow === undefined || (instance !== undefined && seen.has(instance))) continue;
      if (instance !== undefined) seen.add(instance);
      targets.push({ uri: contact, flow, q, received: received.remote, instance });
    }
    return targets;
  }

  private flowTo(binding: Binding): SipFlow | undefined {
    return flowTo(binding, (address) => this.ports.isOwnAddress(address));
  }

  private put(aor: string, bindings: readonly Binding[], now: number): void {
    if (bindings.length > 0) this.bindings.set(aor, bindings);
    else if (!this.bindings.delete(aor)) return;
    this.ports.changed(aor, bindings.length, now);
  }
}
