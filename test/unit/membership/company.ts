import { concatBytes, fromHex, toHex } from '../../../src/base/bytes.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import type { Hit } from '../../../src/base/node-id.ts';
import { overlayConfiguration } from '../../../src/config/overlay-configuration.ts';
import type { RevokedHost } from '../../../src/identity/enrollment-register.ts';
import { Lifecycle } from '../../../src/membership/lifecycle.ts';
import { Membership, type MembershipEvent } from '../../../src/membership/membership.ts';
import type { Inviting, OwnCertificate } from '../../../src/membership/ports.ts';
import { OverlayWorld, type SimNode } from '../../sim/overlay/overlay-world.ts';

const WALL_START = 1_700_000_000_000;
/** What was sent before a link is closed still arrives. */
const CLOSE_MS = 100;
const TICK_MS = 200;
const OVERLAY = 'overlay.example.net';

interface FakeCertificate {
  readonly spki: string;
  readonly user: string | null;
  readonly issuedAt: number;
  readonly notAfter: number;
}

const ROOT = Buffer.from('root');
const toBytes = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));
const fromBytes = (bytes: Uint8Array): unknown => JSON.parse(Buffer.from(bytes).toString());
/** A document is its sequence number. */
export const documentOf = (sequence: number): Uint8Array => toBytes({ sequence });

/** What a host has on its disk. */
export interface Disk {
  own: OwnCertificate;
  document: Uint8Array;
  records: Uint8Array | undefined;
  full: boolean;
}

export interface Host {
  readonly node: SimNode;
  readonly membership: Membership;
  readonly events: MembershipEvent[];
  readonly disk: Disk;
}

/**
 * Members of one overlay with a Membership each; statements and certificates are told, not signed. Real ones are in
 * test/scenario.
 */
export class Company {
  readonly world: OverlayWorld;
  readonly hosts: Host[] = [];
  readonly lifeMs: number;
  /** Who has said so to inviters. */
  readonly left: Hit[] = [];
  /** Of whom this inviter was told that they are revoked. */
  readonly endedTicketsOf: RevokedHost[] = [];
  private readonly issued = new Map<string, FakeCertificate>();
  /** How often a host looked whether its own certificate has ended. */
  judgements = 0;
  /** Names that the overlay knows, and of whom. */
  readonly names = new Map<string, Hit>();

  constructor(seed: number, lifeMs: number) {
    this.world = new OverlayWorld({ seed, signatures: 'fake' });
    this.lifeMs = lifeMs;
  }

  get wall(): number {
    return WALL_START + this.world.now;
  }

  /** A member that is a peer; `right`: it may invite, as the authority or by a grant that all know in time. */
  host(user: string, right?: 'authority'): Host {
    // The node is there first.
    const machine: { membership?: Membership } = {};
    const node = this.world.add('peer', user, {
      experimental: (request) => machine.membership?.answer(request),
      acceptConfiguration: (document, now) => machine.membership?.acceptConfiguration(document, now) === true,
    });
    const spki = node.enrolled.identity.spki;
    const [der = new Uint8Array()] = this.issue(spki, user);
    const own: OwnCertificate = {
      chain: [der, ROOT],
      user,
      issuedAt: this.wall,
      notAfter: this.wall + this.lifeMs,
    };
    const disk: Disk = { own, document: documentOf(1), records: undefined, full: false };
    const host = this.start(node, disk, right === undefined ? undefined : this.inviting(true));
    machine.membership = host.membership;
    const [first] = this.hosts;
    this.hosts.push(host);
    if (first === undefined) this.world.create(node);
    else this.world.join(node, first.node);
    this.world.loop.run(1_000);
    return host;
  }

  /** Links as the agent tells of them, and time. */
  start(node: SimNode, disk: Disk, inviting?: Inviting): Host {
    const write = (change: () => void): void => {
      if (disk.full) throw new Error('ENOSPC: no space left on device');
      change();
    };
    const spki = node.enrolled.identity.spki;
    const granted = new Set<Hit>();
    const revoked = new Set<Hit>();
    const membership: Membership = new Membership(
      {
        self: node.id,
        spki,
        rules: {
          readOwn: ([own = new Uint8Array()]) => {
            const issued = this.issued.get(toHex(own));
            if (issued?.spki !== toHex(spki)) throw new Error('not a certificate of this host');
            return this.ownOf(issued, own);
          },
          hasLapsed: ({ notAfter }, wallNow) => {
            this.judgements += 1;
            return wallNow > notAfter;
          },
          learn: (kind, bytes) => {
            try {
              const statement = { user: null, ...(fromBytes(bytes) as { hit: Hit; at: number }), byAuthority: true };
              (kind === 'grant' ? granted : revoked).add(statement.hit);
              return statement;
            } catch {
              return undefined;
            }
          },
          isRevoked: (hit) => revoked.has(hit),
          inviters: () => [...granted].filter((hit) => !revoked.has(hit)),
          distrust: (hit) => revoked.add(hit),
          invitingBy: () => this.inviting(false),
        },
        store: {
          saveCertificates: (chain) => write(() => (disk.own = { ...disk.own, chain })),
          saveOverlayDocument: (document) => write(() => (disk.document = document)),
          saveRecords: (records) => write(() => (disk.records = records)),
        },
        readConfiguration: (document) => overlayConfiguration({ overlay: OVERLAY, ...(fromBytes(document) as object) }),
        lifecycle: new Lifecycle('member'),
        random: this.world.random,
        clock: { monotonic: () => this.world.now, wall: () => this.wall },
        logger: silentLogger,
      },
      { own: disk.own, document: disk.document, records: disk.records, inviting },
    );
    const host: Host = { node, membership, events: [], disk };
    membership.onEvent((event) => {
      host.events.push(event);
      if (event.type === 'revoked') this.cut(host, event.hit);
    });
    membership.enter({
      node: node.overlay,
      holdersOf: (user, now, done) => {
        const holder = this.names.get(user);
        done(holder === undefined ? [] : [holder], now);
      },
      reserve: (_user, _hits, now, done) => done('kept', now),
      formerHoldersOf: (_user, now, done) => done([], now),
      hasCome: (_hit, now, done) => done(false, now),
    });
    const linked = new Set<Hit>();
    const tick = (): void => {
      if (!node.alive) return;
      const up = node.overlay.snapshot(this.world.now).connections;
      this.world.run(node, (now) => {
        for (const hit of up) if (!linked.has(hit)) membership.linkUp(hit, now);
        for (const hit of linked) if (!up.includes(hit)) membership.linkDown(hit);
        if ((membership.nextTimeout() ?? Infinity) <= now) membership.handleTimeout(now);
      });
      linked.clear();
      for (const hit of up) linked.add(hit);
      this.world.loop.after(TICK_MS, tick);
    };
    this.world.run(node, (now) => membership.start(now));
    tick();
    return host;
  }

  run(ms: number): void {
    this.world.loop.run(ms);
  }

  act<T>(host: Host, input: (membership: Membership, now: number) => T): T {
    return this.world.run(host.node, (now) => input(host.membership, now));
  }

  private cut(host: Host, hit: Hit): void {
    const other = this.world.nodes.get(hit);
    if (other !== undefined) this.world.loop.after(CLOSE_MS, () => this.world.disconnect(host.node, other));
  }

  private ownOf({ user, issuedAt, notAfter }: FakeCertificate, der: Uint8Array): OwnCertificate {
    return { chain: [der, ROOT], user, issuedAt, notAfter };
  }

  /** As the fake enrollment of the simulated overlay reads them; the facts are kept here. */
  private issue(spki: Uint8Array, user: string | null): Uint8Array[] {
    const der = concatBytes(spki, Buffer.from(user ?? ''));
    this.issued.set(toHex(der), { spki: toHex(spki), user, issuedAt: this.wall, notAfter: this.wall + this.lifeMs });
    return [der];
  }

  private inviting(isAuthority: boolean): Inviting {
    const issue = (spki: Uint8Array, user: string | null): Uint8Array[] => this.issue(spki, user);
    return {
      isAuthority,
      enroll: ({ bytes }) => concatBytes(Buffer.from('enrolled '), bytes),
      sawMember: () => {},
      failedHosts: () => [],
      givenName: () => undefined,
      sawShown: () => {},
      refuseKept: () => new Uint8Array(),
      takenName: () => undefined,
      sawLeaving: (hit) => this.left.push(hit) > 0,
      chosenName: () => undefined,
      refuseNow: (_request, user) => Buffer.from(`${user} may be taken`),
      refuseName: (_request, user) => Buffer.from(`${user} is taken`),
      renew: ([own = new Uint8Array()]) => {
        const before = this.issued.get(toHex(own));
        return before === undefined
          ? { ok: false, why: 'unknown' }
          : { ok: true, chain: issue(fromHex(before.spki), before.user) };
      },
      issueFor: issue,
      sawIssued: () => {},
      sawRevoked: (revoked) => this.endedTicketsOf.push(...revoked),
      revocationOf: (hit, at, user) => toBytes({ hit, at, user }),
      grantFor: (spki, at) => toBytes({ hit: toHex(spki), at }),
      signConfiguration: (configuration) => {
        if (!isAuthority) throw new TypeError('only an authority signs');
        return toBytes(configuration);
      },
    };
  }
}
