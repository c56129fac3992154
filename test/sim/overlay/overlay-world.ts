import type { Clock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import type { NodeId } from '../../../src/base/node-id.ts';
import { type Random, seededRandom } from '../../../src/base/random.ts';
import { orchidRing } from '../../../src/overlay/chord/ring.ts';
import type { OverlayEvent, OverlayRole } from '../../../src/overlay/events.ts';
import { type OverlayComponents, OverlayNode } from '../../../src/overlay/overlay-node.ts';
import { type OverlaySettings, overlaySettings } from '../../../src/overlay/settings.ts';
import type { ValueFile } from '../../../src/overlay/storage/value-file.ts';
import { EventLoop } from '../network/event-loop.ts';
import { type Enrollment, fakeEnrollment, realEnrollment } from './sim-identity.ts';
import { type LinkWorld, SimLinks } from './sim-links.ts';

const WALL_START = 1_700_000_000_000;
const OVERLAY = 'overlay.example.net';
/** ICE checks and the handshake. */
const LINK_SETUP_MS = 150;

export interface WorldOptions {
  readonly seed: number;
  /** One way, uniform between the two. */
  readonly latencyMs?: readonly [number, number];
  /** Part of the messages that a link loses although it repeats them. */
  readonly loss?: number;
  /** How long the links of a crashed node take to notice. */
  readonly detectionMs?: readonly [number, number];
  readonly signatures?: 'real' | 'fake';
  readonly settings?: Partial<OverlaySettings>;
  /** The disk of a node: what it stores outlives its restarts. Absent: nothing does. */
  readonly valuesOf?: (nodeId: NodeId) => ValueFile;
}

/** One simulated host with its overlay node. */
export interface SimNode {
  readonly id: NodeId;
  readonly user: string | null;
  readonly enrolled: ReturnType<Enrollment['enroll']>;
  readonly overlay: OverlayNode;
  readonly links: SimLinks;
  readonly events: OverlayEvent[];
  alive: boolean;
  /** How far its clock is ahead. */
  wallOffsetMs: number;
}

/** Many overlay nodes, simulated links between them, one virtual clock and one seed. */
export class OverlayWorld implements LinkWorld {
  readonly loop = new EventLoop();
  readonly random: Random;
  readonly nodes = new Map<NodeId, SimNode>();
  readonly settings: OverlaySettings;
  loss: number;
  messages = 0;
  /** Whether nodes know where those were that they lost. */
  dials = true;
  /** Documents of `documentOf` are good. */
  takesDocuments = true;
  /** Messages between these are lost: a partition. */
  separated: (a: NodeId, b: NodeId) => boolean = () => false;
  private readonly latency: readonly [number, number];
  private readonly detection: readonly [number, number];
  readonly enrollment: Enrollment;
  private readonly valuesOf: WorldOptions['valuesOf'];
  private readonly wakeAt = new Map<NodeId, number>();

  constructor(options: WorldOptions) {
    this.random = seededRandom(options.seed);
    this.valuesOf = options.valuesOf;
    this.loss = options.loss ?? 0;
    this.latency = options.latencyMs ?? [5, 60];
    this.detection = options.detectionMs ?? [3_000, 8_000];
    this.settings = overlaySettings({
      name: OVERLAY,
      sequence: 1,
      maxMessageBytes: 20_000,
      updateIntervalMs: 60_000,
      pingIntervalMs: 60_000,
      ...options.settings,
    });
    this.enrollment =
      options.signatures === 'fake' ? fakeEnrollment(this.random) : realEnrollment(OVERLAY, WALL_START, this.random);
  }

  get now(): number {
    return this.loop.now;
  }

  get living(): SimNode[] {
    return [...this.nodes.values()].filter(({ alive }) => alive);
  }

  get peers(): SimNode[] {
    return this.living.filter(({ overlay }) => overlay.role === 'peer');
  }

  add(role: OverlayRole = 'peer', user: string | null = null, extra: Partial<OverlayComponents> = {}): SimNode {
    return this.start(this.enrollment.enroll(user), role, user, extra);
  }

  /** The machine goes down and comes back at once, with its key and nothing else; others have not noticed. */
  restart(node: SimNode): SimNode {
    this.crash(node);
    return this.start(node.enrolled, node.overlay.role, node.user);
  }

  /** What was gone for a while is switched on again, with its key and its disk; `join` or `create` follows. */
  comeBack(node: SimNode): SimNode {
    return this.start(node.enrolled, node.overlay.role, node.user);
  }

  private start(
    enrolled: ReturnType<Enrollment['enroll']>,
    role: OverlayRole,
    user: string | null,
    extra: Partial<OverlayComponents> = {},
  ): SimNode {
    const { identity, certificates } = enrolled;
    const links = new SimLinks(identity.hit, this);
    const overlay: OverlayNode = new OverlayNode(
      {
        identity,
        certificates,
        trust: this.enrollment.trust(),
        configuration: this.settings,
        links,
        random: seededRandom(this.random.uint32()),
        clock: this.clockOf(identity.hit),
        logger: silentLogger,
        acceptConfiguration: (document, now) => this.takesDocuments && acceptDocument(overlay, document, now),
        ...(this.valuesOf && { values: this.valuesOf(identity.hit) }),
        ...(this.enrollment.verifySignature && { verifySignature: this.enrollment.verifySignature }),
        ...extra,
      },
      { role },
    );
    const node: SimNode = {
      id: identity.hit,
      user,
      enrolled,
      overlay,
      links,
      events: [],
      alive: true,
      wallOffsetMs: 0,
    };
    overlay.onEvent((event) => {
      node.events.push(event);
      if (event.type === 'seekPeer') this.dial(node, event.nodeId);
    });
    this.nodes.set(node.id, node);
    return node;
  }

  /** A timer of one node, which ends with it. */
  timersOf(node: { readonly alive: boolean }): (ms: number, then: () => void) => () => void {
    return (ms, then) => {
      let isOn = true;
      this.loop.after(ms, () => {
        if (isOn && node.alive) then();
      });
      return () => {
        isOn = false;
      };
    };
  }

  /** What a node takes for the time. */
  clockOf(nodeId: NodeId): Clock {
    const wall = (): number => WALL_START + this.now + (this.nodes.get(nodeId)?.wallOffsetMs ?? 0);
    return { monotonic: () => this.now, wall };
  }

  /** An input of a node, and the timer that follows from it. */
  run<T>(node: SimNode, input: (now: number) => T): T {
    const result = input(this.now);
    this.arm(node);
    return result;
  }

  create(node: SimNode): void {
    this.run(node, (now) => node.overlay.create(now));
  }

  /** The bootstrap link comes up, then the node joins through it. */
  join(node: SimNode, bootstrap: SimNode): void {
    this.connect(node, bootstrap);
    this.run(node, (now) => node.overlay.join(bootstrap.id, now));
  }

  /** A ring of its own: peers that join one after the other. */
  grow(count: number, gapMs = 500): SimNode[] {
    const first = this.add();
    this.create(first);
    const nodes = [first];
    for (let i = 1; i < count; i++) {
      const node = this.add();
      this.loop.after(i * gapMs, () => {
        const members = nodes.filter(({ alive, overlay }) => alive && overlay.state === 'joined');
        this.join(node, this.pick(members) ?? first);
      });
      nodes.push(node);
    }
    this.loop.run(count * gapMs);
    return nodes;
  }

  /** The machine is gone without a word. */
  crash(node: SimNode): void {
    node.alive = false;
    for (const id of node.links.up) {
      const other = this.nodes.get(id);
      if (other?.alive !== true) continue;
      this.loop.after(this.between(this.detection), () => {
        // A link that was made anew since then lives.
        if (this.nodes.get(node.id)?.links.up.has(id) !== true) this.cut(other, node);
      });
    }
    node.links.up.clear();
    this.wakeAt.delete(node.id);
  }

  /** Says goodbye; its links end when it is done. */
  leave(node: SimNode): void {
    node.overlay.onEvent((event) => {
      if (event.type !== 'left') return;
      node.alive = false;
      for (const id of node.links.up) {
        const other = this.nodes.get(id);
        if (other !== undefined) this.loop.after(50, () => this.cut(other, node));
      }
    });
    this.run(node, (now) => node.overlay.leave(now));
  }

  /** The network falls into parts: nothing passes between them, and links across them end as they do after a crash. */
  partition(partOf: (node: SimNode) => unknown): void {
    const parts = new Map([...this.nodes.values()].map((node) => [node.id, partOf(node)]));
    this.separated = (a, b) => parts.get(a) !== parts.get(b);
    for (const node of this.living)
      for (const id of [...node.links.up]) {
        const other = this.nodes.get(id);
        if (other !== undefined && this.separated(node.id, id))
          this.loop.after(this.between(this.detection), () => this.cut(node, other));
      }
  }

  /** The parts can reach each other again; nobody is told. */
  heal(): void {
    this.separated = () => false;
  }

  /** A direct link to where a node was, as an agent makes it from its contacts. */
  dial(node: SimNode, to: NodeId): void {
    this.loop.after(LINK_SETUP_MS, () => {
      const other = this.nodes.get(to);
      if (!this.dials || !node.alive || other?.alive !== true || this.separated(node.id, to)) return;
      if (!node.links.up.has(to)) this.connect(node, other);
    });
  }

  /** Both ends notice that their link is gone. */
  disconnect(a: SimNode, b: SimNode): void {
    this.cut(a, b);
    this.cut(b, a);
  }

  connect(a: SimNode, b: SimNode): void {
    a.links.up.add(b.id);
    b.links.up.add(a.id);
    this.run(a, (now) => a.overlay.linkUp(b.id, now));
    this.run(b, (now) => b.overlay.linkUp(a.id, now));
  }

  /** ICE found another path for a link that is there. */
  mend(a: SimNode, b: SimNode): void {
    this.run(a, (now) => a.overlay.linkMended(b.id, now));
    this.run(b, (now) => b.overlay.linkMended(a.id, now));
  }

  pick<T>(from: readonly T[]): T | undefined {
    return from[Math.floor(this.random.float() * from.length)];
  }

  /** Who is responsible, seen from above. */
  responsible(resource: string): NodeId | undefined {
    const ids = this.peers.map(({ id }) => id).sort();
    return ids.find((id) => id >= resource) ?? ids[0];
  }

  /** Peers whose next neighbours are not those on the ring of the living. */
  misplaced(): SimNode[] {
    const ids = this.peers.map(({ id }) => id).sort();
    return this.peers.filter(({ id, overlay }) => {
      if (overlay.state !== 'joined') return true;
      const at = ids.indexOf(id);
      const { predecessors, successors } = overlay.snapshot(this.now);
      const count = Math.min(this.settings.neighborsEachWay, ids.length - 1);
      const wanted = (step: number): string[] =>
        Array.from({ length: count }, (_, i) => ids[(at + step * (i + 1) + ids.length * 8) % ids.length] ?? '');
      return predecessors.join() !== wanted(-1).join() || successors.join() !== wanted(1).join();
    });
  }

  /** Runs until every peer has its right neighbours. */
  settle(limitMs: number): boolean {
    const end = this.now + limitMs;
    while (this.misplaced().length > 0) {
      if (this.now >= end) return false;
      this.loop.run(250);
    }
    return true;
  }

  carry(from: NodeId, to: NodeId, message: Uint8Array): void {
    this.messages += 1;
    if (this.random.float() < this.loss || this.separated(from, to)) return;
    this.loop.after(this.between(this.latency), () => {
      const node = this.nodes.get(to);
      if (node?.alive !== true || !node.links.up.has(from)) return;
      this.run(node, (now) => node.overlay.receive(from, message, now));
    });
  }

  establish(a: NodeId, b: NodeId): void {
    const offerer = this.nodes.get(a);
    const answerer = this.nodes.get(b);
    const token = offerer?.links.offered.get(b);
    if (offerer === undefined || answerer === undefined || answerer.links.answered.get(a) !== token) return;
    this.loop.after(LINK_SETUP_MS, () => {
      offerer.links.offered.delete(b);
      if (offerer.alive && answerer.alive && !this.separated(a, b) && !offerer.links.up.has(b))
        this.connect(offerer, answerer);
    });
  }

  token(): string {
    return this.random.uint32().toString(36);
  }

  private cut(node: SimNode, other: SimNode): void {
    if (!node.links.up.delete(other.id) || !node.alive) return;
    this.run(node, (now) => node.overlay.linkDown(other.id, now));
  }

  private arm(node: SimNode): void {
    const at = node.overlay.nextTimeout();
    const armed = this.wakeAt.get(node.id);
    if (at === undefined || (armed !== undefined && armed <= at) || this.nodes.get(node.id) !== node) return;
    this.wakeAt.set(node.id, at);
    this.loop.at(at, () => {
      // A later, earlier deadline has replaced this one.
      if (this.wakeAt.get(node.id) !== at || this.nodes.get(node.id) !== node) return;
      this.wakeAt.delete(node.id);
      if (node.alive) this.run(node, (now) => node.overlay.handleTimeout(now));
    });
  }

  private between([low, high]: readonly [number, number]): number {
    return low + this.random.float() * (high - low);
  }
}

/** A configuration document that says nothing but its sequence number. */
export const documentOf = (sequence: number): Uint8Array => Buffer.from(`sequence ${sequence}`);

function acceptDocument(overlay: OverlayNode, document: Uint8Array, now: number): boolean {
  const sequence = Number(/^sequence (\d+)$/.exec(Buffer.from(document).toString())?.[1]);
  if (!(sequence > overlay.snapshot(now).configurationSequence)) return false;
  overlay.setConfiguration(sequence, document, now);
  return true;
}

/** Resource-IDs of names on the ring that the world uses. */
export const resourceOf = (name: string): string => orchidRing.resourceIdOf(name);
