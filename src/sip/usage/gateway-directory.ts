import type { Hit } from '../../base/node-id.ts';
import type { OverlayNode } from '../../overlay/overlay-node.ts';
import { IDLOC_GATEWAY } from '../../overlay/storage/kinds.ts';
import type { FetchedValue } from '../../overlay/storage/storage-client.ts';
import { KnownPorts, readPort } from './known-ports.ts';
import { decodeText, encodeText } from '../message/text.ts';
import type { UserRecord } from './sip-records.ts';

// Implementation constants.

/** What is known is used for so long, and asked for anew beside that when it is older than half of it. */
const KEPT_MS = 600_000;
const FRESH_MS = 60_000;
/** Callers wait no longer for the overlay. */
const PATIENCE_MS = 1_500;
const MAX_HOSTS = 8;

/** Of a host with a trunk: the trunk's domain, and where its adaptor listens. */
export const GATEWAY_RECORD: UserRecord = { kind: IDLOC_GATEWAY, encode: (domain) => encodeText(domain) };

/** What such a host says. */
export function gatewayText(domain: string, port: number): string {
  return `${domain};port=${port}`;
}

export interface Gateway {
  readonly hit: Hit;
  /** What it leads to, as it says. */
  readonly domain: string;
  /** Of its adaptor; undefined: it does not say. */
  readonly port: number | undefined;
}

type Overlay = Pick<OverlayNode, 'settings' | 'fetch' | 'state'>;
type Done = (hosts: readonly Hit[], now: number) => void;

/**
 * Where the gateways are that this host has named: their records in the overlay, which only a host with a certificate of that name can
 * have written. What was known last is used when the overlay is slow, or says nothing.
 */
export class GatewayDirectory {
  private readonly overlay: () => Overlay | undefined;
  private readonly after: (ms: number, then: (now: number) => void) => void;
  private readonly names: readonly string[];
  private readonly ports: KnownPorts;
  private readonly found = new Map<string, readonly Gateway[]>();
  private askedAt = -Infinity;
  private waiting: Done[] = [];
  private isAsking = false;

  /** @param names AoRs, the best first */
  constructor(
    components: {
      readonly overlay: () => Overlay | undefined;
      readonly after: (ms: number, then: (now: number) => void) => void;
      /** Learns where their adaptors listen. */
      readonly ports?: KnownPorts;
    },
    names: readonly string[],
  ) {
    this.overlay = components.overlay;
    this.after = components.after;
    this.ports = components.ports ?? new KnownPorts();
    this.names = names;
  }

  /** In the order of the names, of each the latest record first. */
  get known(): readonly Gateway[] {
    return this.names.flatMap((name) => this.found.get(name) ?? []).slice(0, MAX_HOSTS);
  }

  /** @param done in the call when it is known; empty: there are none. */
  lookUp(now: number, done: Done): void {
    const overlay = this.overlay();
    const age = now - this.askedAt;
    const isKnown = this.known.length > 0 && age < KEPT_MS;
    if (this.names.length === 0 || overlay === undefined || (isKnown && age < FRESH_MS)) {
      done(this.hits, now);
      return;
    }
    if (isKnown) done(this.hits, now);
    else this.waiting.push(done);
    if (!this.isAsking) this.ask(overlay, now);
  }

  private get hits(): Hit[] {
    return this.known.map(({ hit }) => hit);
  }

  private ask(overlay: Overlay, now: number): void {
    this.isAsking = true;
    let left = this.names.length;
    this.after(PATIENCE_MS, (at) => this.answer(at));
    for (const name of this.names) {
      const resource = overlay.settings.ring.resourceIdOf(name);
      overlay.fetch({ resource, kind: IDLOC_GATEWAY.id }, now, (result, at) => {
        if (result.ok) this.note(name, result.values);
        left -= 1;
        if (left > 0) return;
        this.isAsking = false;
        this.askedAt = at;
        this.answer(at);
      });
    }
  }

  private note(name: string, values: readonly FetchedValue[]): void {
    const found = gatewaysOf(name, values);
    this.found.set(name, found);
    for (const { hit, port } of found) this.ports.learn(hit, port);
  }

  private answer(now: number): void {
    const { waiting } = this;
    this.waiting = [];
    for (const done of waiting) done(this.hits, now);
  }
}

/** Signature, user and dictionary key have been checked (USER-NODE-MATCH). */
function gatewaysOf(name: string, values: readonly FetchedValue[]): Gateway[] {
  return values
    .filter(({ signer }) => signer.user === name)
    .sort((a, b) => b.storageTime - a.storageTime)
    .map(({ value, signer }) => {
      const [domain = '', ...params] = decodeText(value.value).split(';');
      const port = params.find((param) => param.startsWith('port='))?.slice('port='.length);
      return { hit: signer.nodeId, domain, port: readPort(port) };
    });
}
