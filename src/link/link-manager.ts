import type { IceParameters } from '../base/candidate.ts';
import type { Clock, Timed } from '../base/clock.ts';
import { earliest } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import { addressToHit, type Hit } from '../base/node-id.ts';
import type { Random } from '../base/random.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import { formatSocketAddress } from '../base/socket-address.ts';
import { isAllocationAddress } from '../base/allocation-address.ts';
import { isStreamAddress } from '../base/stream-address.ts';
import { TimerQueue } from '../base/timer-queue.ts';
import type { NodeCertificate } from '../identity/certificate.ts';
import type { VerifiedPeer } from '../identity/trust-store.ts';
import { RELOAD_ACK_FRAME } from '../native/data-plane.ts';
import type { DataPlane, DataPlaneEvent, LinkId } from '../native/data-plane.ts';
import type { Association } from './association.ts';
import { AssociationLives } from './association-lives.ts';
import { ConnectionTable } from './connection-table.ts';
import { CONNECT_TIMEOUT_MS, HANDSHAKE_PATIENCE_MS, REST_AFTER_MS, TIMERS_TURN_MS } from './constants.ts';
import type { EchoDone } from './echoes.ts';
import { ExpectedPaths } from './expected-paths.ts';
import { IceSessions } from './ice-sessions.ts';
import type { LinkEvent, LinkSnapshot, LinksSnapshot } from './link-events.ts';
import { describeAssociation } from './link-snapshot.ts';
import { LateCandidates } from './late-candidates.ts';
import { LocalAddresses } from '../mobility/local-addresses.ts';
import { Negotiations } from './negotiations.ts';
import { OwnMoves } from './own-moves.ts';
import { Paths } from './paths.ts';
import { RecordReceiver } from './record-receiver.ts';
import type { RepairCause } from '../mobility/repair.ts';
import { Repairs } from '../mobility/repairs.ts';
import type { Forwarded } from '../mobility/sightings.ts';
import { Relays } from './relays.ts';
import { RelayWants } from './relay-wants.ts';
import { Renewals } from './renewals.ts';
import { Streams } from './streams.ts';
import { StunDispatcher } from './stun-dispatcher.ts';
import { TurnRelays } from './turn-relays.ts';
import { turnService, type TurnServiceOptions } from './turn-service.ts';
import type { TurnServer as TurnService } from '../turn/server/turn-server.ts';
import { Turns } from './turns.ts';

export type { LinkEvent, LinkPath, LinkSnapshot, LinksSnapshot } from './link-events.ts';

export interface LinkManagerComponents {
  readonly dataPlane: DataPlane;
  /** @throws when the chain proves nobody of this overlay. */
  readonly verifyPeer: (chain: readonly Uint8Array[], wallNow: number) => VerifiedPeer;
  readonly selfHit: Hit;
  /** Whether a member holds up the overlay: others are asked to come to us through such ones. Absent: through those in the open. */
  readonly isPeer?: (hit: Hit) => boolean;
  /** Whether a link that carries nothing may send nothing at all: the member is found anew through the overlay. Absent: none may. */
  readonly maySleep?: (hit: Hit) => boolean;
  /** Where a member accepts streams. Absent: it is not known of anybody. */
  readonly streamsOf?: (hit: Hit) => readonly SocketAddress[];
  /** This host as a TURN server for others; absent: it is none. */
  readonly turnServer?: TurnServiceOptions;
  readonly random: Random;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Links to other hosts over a data plane: one DTLS association for each HIT, on a path that ICE finds, keeps and moves.
 *
 * A link comes about in three ways: through the overlay (`offer`, `answer`, `accept`: the sender of Attach controls ICE and
 * is the DTLS server, RFC 6940 s6.5.1.13), towards an address (`connectDirect`, RFC 6940 s6.6.6), or from a stranger who
 * dialed us. Both ends of the latter two derive STUN credentials from the association, so that consent and moves work the
 * same everywhere; an end that does not answer checks is kept while RELOAD frames are acknowledged.
 *
 * A second association with the same HIT replaces the first once the peer has proven its key: it has restarted. When both
 * ends called each other at once, both keep the one with the smaller association ID.
 *
 * No failure of a link and nothing the network sends ends the manager.
 */
export class LinkManager implements Timed {
  /** For what the configuration and the network say of them; hosts, forwarded ports and servers are set by the methods below. */
  readonly addresses: LocalAddresses;
  /** Relayed addresses; servers of the configuration by `setTurnServers`. */
  readonly turn: TurnRelays;
  private readonly dataPlane: DataPlane;
  private readonly maySleep: (hit: Hit) => boolean;
  private readonly clock: Clock;
  private readonly logger: Logger;
  private readonly table = new ConnectionTable();
  private readonly sessions: IceSessions;
  private readonly stun: StunDispatcher;
  private readonly turnServer: TurnService | undefined;
  private readonly repairs: Repairs<Association>;
  private readonly streams: Streams;
  private readonly relays: Relays;
  private readonly wants = new RelayWants(this.table);
  private readonly negotiations: Negotiations;
  private readonly turns: Turns;
  private readonly paths: Paths;
  private readonly late: LateCandidates;
  private readonly moves: OwnMoves;
  private readonly records: RecordReceiver;
  private readonly timers = new TimerQueue<Association>();
  private readonly lives: AssociationLives;
  private handler: (event: LinkEvent) => void = () => {};
  private unsent = 0;

  constructor(components: LinkManagerComponents) {
    this.dataPlane = components.dataPlane;
    this.maySleep = components.maySleep ?? (() => false);
    this.clock = components.clock;
    this.logger = components.logger;
    const { dataPlane, streamsOf = (): [] => [] } = components;
    this.addresses = new LocalAddresses(components, dataPlane.port);
    this.streams = new Streams({
      ...{ dataPlane, known: streamsOf },
      lookForDirect: (association, now) => this.beginRepair(association, 'remapped', now),
    });
    const { table, addresses, streams } = this;
    this.sessions = new IceSessions({ ...components, table, addresses, streams });
    this.turn = new TurnRelays({
      ...components,
      ...{ table, addresses, streamsOf },
      known: (now) => {
        this.moves.relayedKnown(now);
        for (const hit of this.wants.takeUnreached()) this.handler({ type: 'needsRestart', hit });
      },
      lost: (local, now) => this.moves.relayedLost(local, now),
    });
    this.turnServer = components.turnServer && turnService({ ...components, table }, components.turnServer);
    this.stun = new StunDispatcher({
      server: this.turnServer,
      turn: this.turn,
      table: this.table,
      addresses: this.addresses,
      relayed: ({ hit }, agent, { address }, now) => {
        if (hit !== undefined) this.relays.cameBy(hit, agent, addressToHit(address), now);
      },
    });
    this.late = new LateCandidates({ dataPlane, addresses, sessions: this.sessions });
    this.records = new RecordReceiver({ ...components, late: this.late });
    this.repairs = new Repairs({
      ...components,
      table: this.table,
      addresses: this.addresses,
      ask: (hit) => this.handler({ type: 'needsRestart', hit }),
      giveUp: (association, reason) => this.lives.drop(association, reason, true),
      settled: (association) => this.heardAgain(association),
      packetsOf: ({ link }) => this.dataPlane.linkCounters(link)?.rxPackets ?? 0n,
    });
    const { sessions, repairs, late, logger } = this;
    const expected = new ExpectedPaths(addresses);
    const renewals = new Renewals(components.clock);
    this.moves = new OwnMoves({
      ...{ dataPlane, table, addresses, sessions, expected, repairs, renewals, late, logger },
      beginRepair: (association, cause, now) => this.beginRepair(association, cause, now),
      settle: (association, now) => this.settle(association, now),
    });
    this.relays = new Relays({
      table: this.table,
      port: this.dataPlane.port,
      stream: this.streams.candidate,
      isPeer: components.isPeer,
      dial: (remote, hit, patienceMs, now) => void this.connectDirect(remote, now, hit, patienceMs),
      lost: (association, now) => this.beginRepair(association, 'broken', now),
      settle: (association, now) => this.settle(association, now),
      inTurn: (associations, what, now) => renewals.begin(associations, what, now),
    });
    this.negotiations = new Negotiations({
      ...{ table, sessions, expected, repairs, relays: this.relays, turn: this.turn, wants: this.wants },
      open: (role, hit, now) => this.lives.open(role, 'negotiated', hit, now),
      drop: (association, reason) => this.lives.drop(association, reason, false),
      askReflexive: (now) => void this.moves.ask(now),
      settle: (association, now) => this.settle(association, now),
    });
    this.turns = new Turns({
      ...{ table, sessions },
      open: (role, hit, now) => this.lives.open(role, 'negotiated', hit, now),
      drop: (association, reason) => this.lives.drop(association, reason, association.origin !== 'negotiated'),
      takePath: (association, path, now) => this.paths.take(association, path, now),
      settle: (association, now) => this.settle(association, now),
    });
    this.paths = new Paths({
      ...{ table, sessions, repairs, streams, late, logger, relays: this.relays, turns: this.turns },
      tell: (event) => this.handler(event),
      drop: (association, reason) => this.lives.drop(association, reason, true),
      beginRepair: (association, cause, now) => this.beginRepair(association, cause, now),
      silent: (association, cause, now) => this.silent(association, cause, now),
      settle: (association, now) => this.settle(association, now),
      askReflexive: (now) => void this.moves.ask(now),
      udpPasses: (now) => this.moves.udpPasses(now),
    });
    const { timers, negotiations, turns, paths, moves, relays, turn } = this;
    this.lives = new AssociationLives({
      ...components,
      ...{ table, timers, sessions, repairs, negotiations, turns, paths, late, moves, relays, streams, turn },
      tell: (event) => this.handler(event),
      settle: (association, now) => this.settle(association, now),
    });
  }

  onEvent(handler: (event: LinkEvent) => void): void {
    this.handler = handler;
  }

  /** Told whether a peer sees us at an address of our own, or at one that a NAT gives us; at once when it is known. */
  onReflexive(handler: (atOwnAddress: boolean) => void): void {
    this.moves.onReflexive(handler);
  }

  // What happens below.

  /** `miss`, `foreign`, `network`, `tunLost` and what is about the path MTU are the caller's; the other events of the data plane are ours. */
  handleEvent(event: DataPlaneEvent, now: number): void {
    switch (event.type) {
      case 'stun':
        this.receiveStun(event.data, event.local, event.remote, now);
        return;
      case 'incoming':
        this.lives.incoming(event.link, event.local, event.remote, now);
        return;
      case 'connected':
        this.lives.connected(event.link, event.certificates, event.exporter, now);
        return;
      case 'closed':
        this.lives.closed(event.link, event.reason, now);
        return;
      case 'record':
        this.receiveRecord(event.link, event.data, event.at, now);
        return;
      case 'stirred':
        this.stirred(event.link, event.cause, event.heardAt, now);
        return;
      case 'unknown':
        this.logger.debug('link.unknown', { addr: formatSocketAddress(event.remote) });
        return;
      case 'moved':
        this.paths.moved(event, now);
        // The data plane may have gone over to what has ended since.
        if (isAllocationAddress(event.local.address) && !this.addresses.has(event.local.address))
          this.moves.relayedLost(event.local.address, now);
        return;
      case 'unheard':
        if (this.table.association(event.link)?.isIndirect === false) this.moves.unheard(now);
        return;
      case 'noPath':
        this.paths.silent(event.link, now);
        return;
      case 'turnEnded':
        this.turn.streamEnded(event.stream, event.reason, now);
        return;
      case 'turnLeft':
        this.turnServer?.clientLeft(event.local, event.remote);
        return;
      case 'miss':
      case 'foreign':
      case 'network':
      case 'tunChanged':
      case 'tunLost':
      case 'newPath':
      case 'largeSent':
        return;
    }
  }

  /**
   * The addresses of this host that others may send to now, best first; none of an overlay's. A change is a move.
   * @param deprecated paths that use one of these go on by it; it is offered to nobody.
   */
  setHostAddresses(addresses: readonly string[], now: number, deprecated: readonly string[] = []): void {
    this.turn.setHosts(addresses, now);
    this.turnServer?.setHosts(addresses);
    this.moves.setHosts(addresses, deprecated, now);
  }

  /** This host has slept: peers may have given it up, and NATs have forgotten it, without a word. */
  awake(now: number): void {
    this.turn.doubt(now);
    this.moves.awake(now);
  }

  /** A router sends on what comes to a port of its own: a candidate of the links that are made, and mended, from now on. */
  setForwarded(forwarded: Forwarded | undefined): void {
    this.moves.setForwarded(forwarded, this.clock.monotonic());
  }

  /** Where the configuration's STUN servers are. */
  setStunServers(servers: readonly SocketAddress[], now: number): void {
    this.addresses.setServers(servers);
    this.moves.ask(now);
  }

  // Links towards an address.

  /**
   * A link without ICE to begin with (DTLS-UDP-SR-NO-ICE): the way into the overlay. `up` or `connectFailed` follows.
   * @returns false when there is a link, or one is under way.
   */
  connectDirect(to: SocketAddress, now: number, expected?: Hit, patienceMs = CONNECT_TIMEOUT_MS): boolean {
    const remote = this.addresses.reach(to);
    if (expected !== undefined && this.isUp(expected)) return false;
    // An Attach with it is under way: each of two handshakes on one pair of addresses would take the other's answers.
    if (expected !== undefined && this.table.link(expected)?.pending !== undefined) return false;
    const holder = this.table.boundTo(remote);
    const works = holder?.state === 'up' && holder.pathWorks && holder.repair?.isForgotten(now) !== true;
    if (this.table.dialing(remote) || works) return false;
    // Another handshake with whoever is there is as good as ours, while it does not take too long.
    if (this.table.isCalledAt(remote, now, HANDSHAKE_PATIENCE_MS)) return false;
    const association = this.lives.open('client', 'dialed', expected, now);
    association.deadline = now + patienceMs;
    const isStream = isStreamAddress(remote.address);
    if (isStream) this.dataPlane.dialStream(remote);
    association.take({ local: isStream ? this.streams.local : this.turn.wayTo(remote, now), remote }, now);
    this.settle(association, now);
    return true;
  }

  // Links through the overlay.

  /** A member, on a path that is known to work: while it is being mended, messages are to go round it. */
  isUp(hit: Hit): boolean {
    const current = this.table.link(hit)?.current;
    return current?.state === 'up' && current.isSound;
  }

  /** False while sends to it are unanswered: somebody else is the better way. */
  isAnswering(hit: Hit): boolean {
    return this.table.link(hit)?.current?.framing.doubtful !== true;
  }

  /** Queues one whole RELOAD message, also while the path is being mended. Without a link it is dropped. */
  send(hit: Hit, message: Uint8Array): void {
    const association = this.table.link(hit)?.current ?? this.table.guests.get(hit);
    if (association === undefined) {
      this.unsent += 1;
      return;
    }
    const now = this.clock.monotonic();
    association.framing.send(message, now);
    this.settle(association, now);
  }

  /** What our Attach or AppAttach carries. On a living link it restarts ICE; the association stays, if the peer has it. */
  offer(hit: Hit): IceParameters {
    return this.negotiations.offer(hit, this.clock.monotonic());
  }

  /** The peer's offer came: what our answer carries. An offer of our own that is still open gives way. */
  answer(hit: Hit, remote: IceParameters): IceParameters {
    return this.negotiations.answer(hit, remote, this.clock.monotonic());
  }

  /** The answer to our offer came. Without an open offer it is too late, and nothing happens. */
  accept(hit: Hit, remote: IceParameters): void {
    this.negotiations.accept(hit, remote, this.clock.monotonic());
  }

  /** Our offer failed. A living link stays as it is. */
  cancel(hit: Hit): void {
    this.negotiations.cancel(hit, this.clock.monotonic());
  }

  /** Ends every association with this HIT; `down` follows when there was one. */
  close(hit: Hit, reason: string): void {
    const link = this.table.link(hit);
    const guest = this.table.guests.get(hit);
    if (link?.pending !== undefined) this.lives.drop(link.pending, reason, link.current === undefined);
    if (link?.current !== undefined) this.lives.drop(link.current, reason, true);
    if (guest !== undefined) this.lives.drop(guest, reason, true);
    this.turnServer?.endUser(hit);
  }

  /** Ends everything, unfinished calls too, without an event: for whoever gives the data plane to another. */
  closeAll(reason: string): void {
    for (const association of [...this.table.associations]) this.lives.drop(association, reason, false);
  }

  /** As `closeAll`, and TURN servers are told that we go. */
  stop(reason: string): void {
    this.closeAll(reason);
    this.turn.close(this.clock.monotonic());
  }

  // What can be seen.

  /** The link of the data plane that carries packets of this HIT. */
  dataPlaneLinkOf(hit: Hit): LinkId | undefined {
    const current = this.table.link(hit)?.current;
    return current?.state === 'up' ? current.link : undefined;
  }

  /** Somebody can be asked: a path works, and is in no doubt. */
  get hasWorkingLink(): boolean {
    return this.table.hasWorkingLink();
  }

  /** Who is at the other end, also a guest. */
  peerOf(hit: Hit): VerifiedPeer | undefined {
    return this.table.link(hit)?.current?.peer ?? this.table.guests.get(hit)?.peer;
  }

  /** Where its datagrams go, also a guest's. Undefined too where they go by another member, or a stream. */
  remoteOf(hit: Hit): SocketAddress | undefined {
    const association = this.table.link(hit)?.current ?? this.table.guests.get(hit);
    const remote = association?.isIndirect === false ? association.path?.remote : undefined;
    return remote && this.addresses.known(remote);
  }

  certificateOf(hit: Hit): NodeCertificate | undefined {
    return this.peerOf(hit)?.certificate;
  }

  /** Link control echo, for people: RTT of the link as it is now. */
  echo(hit: Hit, now: number, done: EchoDone): void {
    const link = this.dataPlaneLinkOf(hit);
    const record = link === undefined ? undefined : this.records.echoes.start(now, done);
    if (link === undefined || record === undefined) done(undefined);
    else this.dataPlane.sendRecord(link, record);
  }

  snapshot(): LinksSnapshot {
    return { links: [...this.snapshots()], reflexive: this.addresses.reflexive, natMapping: this.addresses.natMapping };
  }

  /** The links that there are, each as it is when it is looked at: of thousands, not all in one turn of the event loop. */
  *snapshots(): Generator<LinkSnapshot> {
    for (const association of [...this.table.associations]) {
      const snapshot = this.describe(association);
      if (snapshot !== undefined) yield snapshot;
    }
  }

  snapshotOf(hit: Hit): LinkSnapshot | undefined {
    const current = this.table.link(hit)?.current;
    return current && this.describe(current);
  }

  private describe(association: Association): LinkSnapshot | undefined {
    const { hit, state, link } = association;
    if (hit === undefined || state === 'retired' || state === 'closed') return undefined;
    return describeAssociation(association, hit, this.dataPlane.linkCounters(link), this.addresses);
  }

  /** Asks around anew how others see us, `others` too when links are few. @returns who is asked; `snapshot` has the answers later */
  lookAround(others: readonly SocketAddress[], now: number): readonly SocketAddress[] {
    return this.moves.ask(now, others);
  }

  /** Members by whom others can come to us where no direct path works. */
  get relaysAvailable(): Hit[] {
    return this.relays.available();
  }

  /** Counts of what was dropped, by kind. */
  get counters(): Readonly<Record<string, number>> {
    const { malformed, strangers, bindings, unexpected } = this.stun.counters;
    return {
      stunMalformed: malformed,
      stunStrangers: strangers,
      stunBindings: bindings,
      stunUnexpected: unexpected,
      messagesWithoutLink: this.unsent,
      ...this.records.counters,
    };
  }

  // Time.

  nextTimeout(): number | undefined {
    return earliest(
      this.timers.next(),
      this.addresses.nextTimeout(),
      this.repairs.nextTimeout(),
      this.records.nextTimeout(),
      this.moves.nextTimeout(),
      this.turn.nextTimeout(),
      this.turnServer?.nextTimeout(),
    );
  }

  handleTimeout(now: number): void {
    this.records.handleTimeout(now);
    this.addresses.handleTimeout(now);
    this.turn.handleTimeout(now);
    this.turnServer?.handleTimeout(now);
    if (this.addresses.refreshDue(now)) this.moves.ask(now);
    this.moves.pump(now);
    const until = this.clock.monotonic() + TIMERS_TURN_MS;
    this.moves.handleTimeout(now);
    if ((this.repairs.nextTimeout() ?? Infinity) <= now) {
      for (const association of this.repairs.handleTimeout(now)) this.settle(association, now);
    }
    for (let due = this.timers.due(now); due !== undefined; due = this.timers.due(now)) {
      this.timeout(due, now);
      if (this.clock.monotonic() >= until) break;
    }
  }

  private timeout(association: Association, now: number): void {
    if (association.deadline !== undefined && now >= association.deadline) {
      const guest = association.state === 'guest';
      this.lives.drop(association, guest ? 'its time as a guest is over' : 'no connection in time', true);
      return;
    }
    if (association.nextIceUntil !== undefined && now >= association.nextIceUntil) {
      const link = association.hit === undefined ? undefined : this.table.link(association.hit);
      if (link?.offering === 'restart') link.offering = 'none';
      this.sessions.endRestart(association);
      association.repair?.unblock();
    }
    association.handleTimeout(now);
    this.turns.handleTimeout(association, now);
    this.relays.handleTimeout(association, now);
    this.streams.handleTimeout(association, now);
    if (this.wants.take(association, now) && association.hit !== undefined)
      this.handler({ type: 'needsRelay', hit: association.hit });
    this.late.handleTimeout(association, now);
    if (association.repair !== undefined && association.repair.nextTimeout() <= now) this.repairs.due(association, now);
    this.settle(association, now);
  }

  // STUN and ICE.

  private receiveStun(data: Uint8Array, local: SocketAddress, remote: SocketAddress, now: number): void {
    const taken = this.stun.receive(data, local, remote, now);
    this.moves.pump(now);
    if (taken === undefined) return;
    const { association, checked } = taken;
    // The peer's ClientHello may come from here next. Another peer's address is not taken away for it; only a pair that proved
    // itself in both directions may do that, and on a link that is up nothing else is bound: the source of a check may be forged.
    if (checked && !association.connected && !association.isBound(remote)) {
      const holder = this.table.boundTo(remote);
      if (holder === undefined || (holder.hit === association.hit && !this.table.isBusy(association, remote)))
        association.bindUnproven(remote, now);
    }
    this.settle(association, now, remote);
  }

  /** The data plane has looked after a link that carried nothing; now it is ours again. */
  private stirred(link: LinkId, cause: 'traffic' | 'silence', heardAt: number, now: number): void {
    const association = this.table.association(link);
    if (association === undefined) return;
    if (cause === 'silence') this.logger.info('link.silence', { nodeId: association.hit, link });
    association.restAt = now + REST_AFTER_MS;
    association.ice?.wake(heardAt, now);
    if (cause === 'silence') this.doubtful(association);
    this.late.consider(association, now);
    this.settle(association, now);
  }

  private beginRepair(association: Association, cause: RepairCause, now: number): void {
    this.repairs.begin(association, cause, now);
    if (cause === 'remapped') return;
    this.relays.needed(association, now);
    this.streams.needed(association, now);
    this.turn.doubt(now);
    this.addresses.doubt(now);
    this.moves.askInDoubt(now);
    this.repairs.begun(association, now);
    if (cause === 'forgotten') this.tellWhenNoneWorks();
  }

  /** Not when our own addresses are gone: with new ones the paths mend by checks, without any new association. */
  private tellWhenNoneWorks(): void {
    if (!this.hasWorkingLink && this.addresses.candidates.length > 0) this.handler({ type: 'noneWorks' });
  }

  // Records.

  private receiveRecord(link: LinkId, data: Uint8Array, at: number, now: number): void {
    const association = this.table.association(link);
    if (association?.hit === undefined || association.peer === undefined) return;
    const { hit, peer, repair } = association;
    const message = this.records.receive(association, hit, data, at, now);
    // A record proves that the peer has the association; that ours arrive, only an acknowledgement does.
    const heard = repair?.cause === 'forgotten' || (repair?.cause === 'silent' && data[0] === RELOAD_ACK_FRAME);
    if (heard) {
      this.repairs.end(association);
      this.heardAgain(association);
    }
    // The acknowledgement leaves before whatever the message makes us send.
    this.settle(association, now);
    if (message !== undefined) this.handler({ type: 'message', hit, member: peer.member, data: message });
  }

  // Carries out what the machines of one association want, and sets its timer.

  private settle(association: Association, now: number, source?: SocketAddress): void {
    if (association.state === 'closed') return;
    for (const agent of association.agents) {
      for (let event = agent.pollEvent(); event !== undefined; event = agent.pollEvent()) {
        if (event.type === 'peerForgot') this.paths.forgotten(association, agent, source, now);
        else this.paths.handle(association, agent, event, now);
        if (!this.isAlive(association)) return;
        if (event.type === 'selected') this.late.consider(association, now);
      }
      for (let out = agent.pollTransmit(); out !== undefined; out = agent.pollTransmit()) {
        this.table.noteTransaction(out.data, association, now);
        this.turn.sendDatagram(out.local, out.remote, out.data, now);
      }
    }
    if (association.connected)
      for (let out = association.framing.pollTransmit(); out !== undefined; out = association.framing.pollTransmit())
        this.dataPlane.sendRecord(association.link, out);
    if (association.framing.takeDoubt()) this.doubtful(association);
    if (association.framing.takeFailure() && association.state === 'up') this.silent(association, 'silent', now);
    if (!this.isAlive(association)) return;
    if (association.mayRest(now)) {
      association.ice?.rest(now);
      const { hit } = association;
      this.dataPlane.rest(association.link, { asleep: hit !== undefined && this.maySleep(hit) });
    }
    const { relays, wants, late, streams } = this;
    const ofOthers = [
      ...[relays, wants, late].map((part) => part.nextTimeout(association)),
      streams.nextTimeout(association, now),
    ];
    const next = earliest(association.nextTimeout(), ...ofOthers);
    if (next === undefined) this.timers.clear(association);
    else this.timers.set(association, next);
  }

  /** Nothing is acknowledged, or nobody answers on its path. When no one else answers either, the fault is on our side. */
  private silent(association: Association, cause: 'silent' | 'broken', now: number): void {
    this.beginRepair(association, cause, now);
    if (cause === 'broken') this.tellWhenNoneWorks();
    const { hit } = association;
    if (hit === undefined || association.toldSilent || !this.isAlive(association) || !this.hasWorkingLink) return;
    association.toldSilent = true;
    this.logger.info('link.silent', { nodeId: hit, link: association.link });
    this.handler({ type: 'silent', hit });
  }

  private doubtful({ hit, state }: Association): void {
    if (hit !== undefined && state === 'up') this.handler({ type: 'doubtful', hit });
  }

  private heardAgain(association: Association): void {
    const { hit, state, toldSilent } = association;
    association.toldSilent = false;
    if (toldSilent && hit !== undefined && state === 'up') this.handler({ type: 'mended', hit });
  }

  private isAlive(association: Association): boolean {
    return this.table.association(association.link) === association;
  }
}
