import { equalBytes } from '../base/bytes.ts';
import { type Clock, type Timed, earliest } from '../base/clock.ts';
import { MalformedMessageError, messageOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Hit } from '../base/node-id.ts';
import type { Random } from '../base/random.ts';
import { TimerQueue } from '../base/timer-queue.ts';
import type { OverlayConfiguration } from '../config/overlay-configuration.ts';
import { WILDCARD_NODE_ID } from '../overlay/constants.ts';
import { compareSequences } from '../overlay/configuration-sequence.ts';
import type { RevokedHost } from '../identity/enrollment-register.ts';
import type { Replacement } from '../identity/enrollment.ts';
import type { IncomingRequest } from '../overlay/handlers/handler.ts';
import type { OverlayNode } from '../overlay/overlay-node.ts';
import type { Reserve } from '../overlay/reservations.ts';
import { toNode } from '../overlay/requester.ts';
import { kindsOf } from '../overlay/storage/kinds.ts';
import { ERROR_CODES, type ExperimentalBody } from '../reload/index.ts';
import { type CertificateMessage, decodeCertificateMessage, encodeCertificateMessage } from './certificate-message.ts';
import { type DeskDone, type DeskRequest, EnrollmentDesk, type EnrollmentDeskPorts } from './enrollment-desk.ts';
import { DISMISSAL_MS, MAX_LEAVING_SKEW_MS, MAX_TOLD_INVITERS } from './constants.ts';
import { decodeEnrollmentExchange, encodeEnrollmentExchange } from './enrollment-exchange.ts';
import { Keeper, type Writing } from './keeper.ts';
import { Ledger, type LedgerRecord } from './ledger.ts';
import type { Inviting, MembershipRules, MembershipStore, OwnCertificate } from './ports.ts';
import { Renewal } from './renewal.ts';
import { Spreading } from './spreading.ts';
import { type SpreadRecord, decodeSpreading, encodeSpreading } from './spreading-message.ts';

/**
 * What this host is to its overlay. Until its first certificate the Enroller has the say, from then on this machine:
 *
 *   invited ──link to a member──> enrolling ──certificate──> member ──two thirds of its life──> renewing
 *                                                              ^ └──────────────────────────────────┘│
 *                                                              └────────────certificate──────────────┘
 *   member, renewing ──revocation of this host──> revoked
 *   member, renewing ──stop──> left
 */
export type MembershipState = 'invited' | 'enrolling' | 'member' | 'renewing' | 'revoked' | 'left';

export type MembershipEvent =
  /** Another certificate is about to be in force, of another user: what hangs on the old name is to be given back now. */
  | { readonly type: 'renaming'; readonly from: string | null }
  /** Another certificate is in force, for new links and for what this host signs. `asGuest`: others took us for a guest. */
  | { readonly type: 'certificates'; readonly asGuest: boolean }
  /** The certificate has ended before anyone renewed it: from now on this host is a guest. */
  | { readonly type: 'lapsed' }
  /** A newer configuration document is in force. */
  | { readonly type: 'configuration' }
  /** This host may invite from now on. */
  | { readonly type: 'inviter' }
  /** A host has left, and this inviter knows: its name is nobody's. */
  | { readonly type: 'leaving'; readonly hit: Hit }
  /** Somebody is no member any more: its links are to end. */
  | { readonly type: 'revoked'; readonly hit: Hit }
  /** This host is no member any more. */
  | { readonly type: 'ended' };

export interface MembershipComponents {
  readonly self: Hit;
  /** DER SubjectPublicKeyInfo of this host's key. */
  readonly spki: Uint8Array;
  readonly rules: MembershipRules;
  readonly store: MembershipStore;
  readonly random: Random;
  readonly clock: Clock;
  readonly logger: Logger;
  /** @throws {Error} when the document is not of this overlay, or not signed as it should be. */
  readonly readConfiguration: (document: Uint8Array) => OverlayConfiguration;
}

/** What the state directory held. */
export interface KeptMembership {
  readonly own: OwnCertificate;
  readonly document: Uint8Array;
  /** As `saveRecords` got them; undefined: none yet. */
  readonly records: Uint8Array | undefined;
  /** Where the authority's key is. */
  readonly inviting: Inviting | undefined;
}

/** The overlay, once this host has a node in it. */
export interface MembershipOverlay {
  readonly node: Pick<OverlayNode, 'requester' | 'setCertificates' | 'forgetWriters' | 'setConfiguration' | 'setKinds'>;
  /** Hosts that have a name, as the overlay and our memory say. */
  readonly holdersOf: EnrollmentDeskPorts['holdersOf'];
  readonly formerHoldersOf: EnrollmentDeskPorts['formerHoldersOf'];
  readonly reserve: Reserve;
}

/**
 * The one place that knows who belongs to the overlay: this host's certificate and configuration document, who may invite,
 * who was revoked. It learns from neighbours, proves, keeps, passes on, and tells whoever links and signs.
 */
export class Membership implements Timed {
  readonly self: Hit;
  private readonly components: MembershipComponents;
  private readonly clock: Clock;
  private readonly logger: Logger;
  private readonly ledger: Ledger;
  private readonly spreading: Spreading;
  private readonly renewal: Renewal;
  private readonly keeper: Keeper;
  private readonly desk: EnrollmentDesk;
  /** Of whom there is a revocation, the latest, whether it counts or not. */
  private readonly marked = new Map<Hit, RevokedHost>();
  private readonly gone = new Set<Hit>();
  /** Whose links are to end: when they had the time to learn why. */
  private readonly dismissed = new TimerQueue<Hit>();
  private own: OwnCertificate;
  private currentDocument: Uint8Array;
  private currentConfiguration: OverlayConfiguration;
  private right: Inviting | undefined;
  private overlay: MembershipOverlay | undefined;
  private toldLapsed = false;
  /** Whether the certificate had ended in this second, by what was known then. */
  private judged: { readonly second: number; readonly hasLapsed: boolean } | undefined;
  private ended: 'revoked' | 'left' | undefined;
  private handler: (event: MembershipEvent, now: number) => void = () => {};

  constructor(components: MembershipComponents, kept: KeptMembership) {
    const { self, rules, random, clock, logger } = components;
    this.components = components;
    this.self = self;
    this.clock = clock;
    this.logger = logger;
    this.own = kept.own;
    this.right = kept.inviting;
    this.currentDocument = kept.document;
    this.currentConfiguration = components.readConfiguration(kept.document);
    this.keeper = new Keeper({ logger });
    this.ledger = new Ledger((kind, bytes) => rules.learn(kind, bytes));
    this.spreading = new Spreading(
      {
        ledger: this.ledger,
        ports: {
          ask: (hit, body, now, done) => this.askNode(hit, { type: 'exp_b_req', bytes: body }, now, done),
          taken: (records, now) => this.taken(records, now),
        },
        random,
        logger,
      },
      { self, maxMessageBytes: this.currentConfiguration.maxMessageSize },
    );
    this.renewal = new Renewal({
      ports: {
        inviters: () => (this.inviting === undefined ? this.otherInviters() : [this.self]),
        ask: (inviter, now, failed) => this.askForRenewal(inviter, now, failed),
      },
      random,
      clock,
      logger,
    });
    this.desk = new EnrollmentDesk({
      self,
      ports: {
        inviting: () => this.inviting,
        inviters: () => this.otherInviters(),
        ask: (inviter, message, now, done) => this.askNode(inviter, certificateBody(message), now, done),
        holdersOf: (user, now, done) => {
          if (this.overlay === undefined) done(undefined, now);
          else this.overlay.holdersOf(user, now, done);
        },
        reserve: this.reserve,
        formerHoldersOf: (user, now, done) => {
          if (this.overlay === undefined) done([], now);
          else this.overlay.formerHoldersOf(user, now, done);
        },
        left: (hit, now) => {
          this.handler({ type: 'leaving', hit }, now);
        },
      },
      random,
      logger,
    });
    for (const { kind, bytes } of this.keptRecords(kept.records)) {
      const record = this.ledger.admit(kind, bytes);
      if (record !== undefined) this.note(record);
    }
    for (const hit of [...this.currentConfiguration.badNodes, ...this.marked.keys()])
      if (rules.isRevoked(hit)) this.gone.add(hit);
  }

  get state(): MembershipState {
    return this.ended ?? (this.renewal.due ? 'renewing' : 'member');
  }

  /** DER, this host's own first, the root's last. */
  get certificates(): readonly Uint8Array[] {
    return this.own.chain;
  }

  /** The user that the certificate names. */
  get user(): string | null {
    return this.own.user;
  }

  /** When the certificate ends, milliseconds since the epoch. */
  get expires(): number {
    return this.own.notAfter;
  }

  get configuration(): OverlayConfiguration {
    return this.currentConfiguration;
  }

  get document(): Uint8Array {
    return this.currentDocument;
  }

  /** The right to invite, where this host has it. */
  get inviting(): Inviting | undefined {
    const counts = this.right?.isAuthority === true || this.components.rules.inviters().includes(this.self);
    return counts ? this.right : undefined;
  }

  /** All that may invite, this host too when it may. */
  get inviters(): readonly Hit[] {
    return this.inviting === undefined ? this.otherInviters() : [this.self, ...this.otherInviters()];
  }

  /** Without this host nobody lets others in and renews their certificates. */
  get isOnlyInviter(): boolean {
    return this.inviting !== undefined && this.otherInviters().length === 0;
  }

  get revoked(): ReadonlySet<Hit> {
    return this.gone;
  }

  /** The same, with whose each was as far as its revocation says. */
  get revokedHosts(): readonly Pick<RevokedHost, 'hit' | 'user'>[] {
    return [...this.gone].map((hit) => ({ hit, user: this.marked.get(hit)?.user ?? null }));
  }

  /** The certificate has ended: others take this host for a guest, who may only ask for a new one. */
  get lapsed(): boolean {
    const wallNow = this.clock.wall();
    const second = Math.floor(wallNow / 1000);
    // Asked for each message that comes.
    if (this.judged?.second !== second)
      this.judged = { second, hasLapsed: this.components.rules.hasLapsed(this.own, wallNow) };
    return this.judged.hasLapsed;
  }

  /** Names of what could not be written yet. */
  get unwritten(): readonly string[] {
    return this.keeper.unwritten;
  }

  onEvent(handler: (event: MembershipEvent, now: number) => void): void {
    this.handler = handler;
  }

  /** Something beside what is written here waits to be written, and may wait a while. */
  gather(name: string, write: Writing, now: number): void {
    this.keeper.gather(name, write, now);
  }

  /** What was kept says it all by now; an inviter whose own certificate is due renews it at once. */
  start(now: number): void {
    if (this.gone.has(this.self)) {
      this.end('revoked', now);
      return;
    }
    // Others ask whom they know to be inviters: who has the authority's key is one like all of them.
    if (this.inviting?.isAuthority === true && !this.components.rules.inviters().includes(this.self))
      this.grant(this.components.spki, now);
    // The register may have come with the authority's key, from where they were not known.
    this.endTickets([...this.gone]);
    this.renewal.start(this.own, now);
  }

  stop(now: number): void {
    this.end('left', now);
  }

  /**
   * Tells those that let hosts in that this one leaves, so that others may have its name.
   * @param done whether all have heard it, as soon as that is known.
   */
  resign(now: number, done: (complete: boolean, now: number) => void): void {
    const told = this.otherInviters().slice(0, MAX_TOLD_INVITERS);
    let open = told.length;
    let complete = true;
    if (open === 0) done(true, now);
    const body = certificateBody({ type: 'leaving', at: this.clock.wall() });
    for (const inviter of told)
      this.askNode(inviter, body, now, (answer, at) => {
        open -= 1;
        complete &&= answer !== undefined;
        if (open === 0) done(complete, at);
      });
  }

  /** The node of the overlay is there: from now on others can be asked. */
  enter(overlay: MembershipOverlay): void {
    this.overlay = overlay;
  }

  /** A member is linked, and the node of the overlay knows it. */
  linkUp(hit: Hit, now: number): void {
    if (this.ended !== undefined) return;
    this.spreading.linkUp(hit, now);
    this.renewal.wake(now);
  }

  /** The node is in the overlay: what led nowhere before may lead there now. */
  joined(now: number): void {
    if (this.ended !== undefined) return;
    this.spreading.tryAgain(now);
    this.renewal.wake(now);
  }

  linkDown(hit: Hit): void {
    this.spreading.linkDown(hit);
  }

  nextTimeout(): number | undefined {
    return earliest(
      this.dismissed.next(),
      this.spreading.nextTimeout(),
      this.renewal.nextTimeout(),
      this.keeper.nextTimeout(),
    );
  }

  handleTimeout(now: number): void {
    this.keeper.handleTimeout(now);
    for (let hit = this.dismissed.due(now); hit !== undefined; hit = this.dismissed.due(now))
      this.handler({ type: 'revoked', hit }, now);
    if (this.ended !== undefined) return;
    this.spreading.handleTimeout(now);
    this.renewal.handleTimeout(now);
    if (!this.lapsed || this.toldLapsed) return;
    this.toldLapsed = true;
    const { notAfter } = this.own;
    this.logger.error('certificate ended', { at: new Date(notAfter).toISOString(), inviters: this.otherInviters() });
    this.handler({ type: 'lapsed' }, now);
  }

  // What others ask.

  /** exp_a and exp_b requests of members (RFC 6940 s14.8). */
  readonly answer = (request: IncomingRequest<ExperimentalBody>): void => {
    const { body, now } = request;
    try {
      if (body.type === 'exp_b_req') this.answerNeighbor(request);
      else this.answerCertificateMessage(request, now);
    } catch (error) {
      if (!(error instanceof MalformedMessageError)) throw error;
      request.fail(ERROR_CODES.invalid_message, error.reason);
    }
  };

  /**
   * A guest's request, over its link.
   * @param inviter whom it wants to ask; undefined: any.
   */
  answerGuest(request: DeskRequest, inviter: Hit | undefined, now: number, done: DeskDone): void {
    this.desk.fromGuest(request, inviter, now, this.clock.wall(), done);
  }

  /** What this host sends to a member that takes it for a guest, since its certificate has ended. */
  requestAsGuest({ overlay, random }: { readonly overlay: string; readonly random: Random }): Uint8Array {
    const bytes = encodeCertificateMessage({ type: 'renew', chain: this.own.chain });
    const transactionId = new DataView(random.bytes(8).buffer).getBigUint64(0);
    return encodeEnrollmentExchange('exp_a_req', bytes, { overlay, transactionId, to: WILDCARD_NODE_ID });
  }

  /** What may have come back over that link. @returns whether it was such an answer. */
  answeredAsGuest(message: Uint8Array, now: number): boolean {
    const answer = decodeEnrollmentExchange('exp_a_ans', message);
    if (answer === undefined) return false;
    this.takeAnswer(answer.bytes, now, true);
    return true;
  }

  /** A document of a ConfigUpdate (s6.5.4): true when it is good and newer. */
  readonly acceptConfiguration = (document: Uint8Array, now: number): boolean => {
    let configuration: OverlayConfiguration;
    try {
      configuration = this.components.readConfiguration(document);
    } catch (error) {
      this.logger.warn('configuration refused', { err: messageOf(error) });
      return false;
    }
    if (compareSequences(configuration.sequence, this.currentConfiguration.sequence) <= 0)
      return equalBytes(document, this.currentDocument);
    // A copy: the message that it came in must not stay in memory for it.
    this.currentDocument = document.slice();
    this.currentConfiguration = configuration;
    this.logger.info('configuration', { sequence: configuration.sequence });
    const { store } = this.components;
    this.keeper.keep('configuration', () => store.saveOverlayDocument(this.currentDocument), now);
    this.overlay?.node.setKinds(kindsOf(configuration.kinds));
    this.overlay?.node.setConfiguration(configuration.sequence, this.currentDocument, now);
    for (const nodeId of configuration.badNodes) this.components.rules.distrust(nodeId);
    this.dismiss(configuration.badNodes, now);
    this.handler({ type: 'configuration' }, now);
    return true;
  };

  // What this host does where it may invite.

  /**
   * @param userOf the users of hosts, as far as this inviter's own register may not know them.
   * @throws {TypeError} without the right to.
   */
  revoke(hits: readonly Hit[], now: number, userOf: (hit: Hit) => string | null = () => null): void {
    const right = this.rightToInvite();
    const wallNow = this.clock.wall();
    this.publish(
      'revocation',
      hits.filter((hit) => !this.gone.has(hit)).map((hit) => right.revocationOf(hit, wallNow, userOf(hit))),
      now,
    );
  }

  /** A newcomer has taken the place of hosts: of those that the register knows, or of all others of its user. */
  replace({ newcomer, user, replaced, replacesUser }: Replacement, now: number): void {
    this.revoke(replaced, now);
    if (!replacesUser || user === null) return;
    this.overlay?.holdersOf(user, now, (hits, at) => {
      const others = (hits ?? []).filter((hit) => hit !== newcomer && hit !== this.self);
      if (this.inviting !== undefined) this.revoke(others, at);
    });
  }

  /** Keeps a name for one of these hosts. Where nobody else lets hosts in, the register alone says whose a name is. */
  readonly reserve: Reserve = (user, hits, now, done) => {
    if (this.isOnlyInviter) done('kept', now);
    else if (this.overlay === undefined) done('unknown', now);
    else this.overlay.reserve(user, hits, now, done);
  };

  /** @param spki DER SubjectPublicKeyInfo of the host's key. @throws {TypeError} without the right to. */
  grant(spki: Uint8Array, now: number): void {
    this.publish('grant', [this.rightToInvite().grantFor(spki, this.clock.wall())], now);
  }

  /** Statements that were made elsewhere: with the authority's key, when a lost key was replaced. */
  publish(kind: SpreadRecord['kind'], records: readonly Uint8Array[], now: number): void {
    this.spreading.publish(
      records.map((bytes) => ({ kind, bytes })),
      now,
    );
  }

  /** Gives a member another name, if it can be reached. @throws {TypeError} without the right to. */
  rename(
    host: { readonly hit: Hit; readonly spki: Uint8Array },
    user: string,
    now: number,
    done: (renamed: boolean, now: number) => void,
  ): void {
    const chain = this.rightToInvite().issueFor(host.spki, user, this.clock.wall());
    if (host.hit === this.self) {
      done(this.take(chain, now), now);
      return;
    }
    const body = certificateBody({ type: 'issued', chain });
    this.askNode(host.hit, body, now, (taken, at) => {
      if (taken !== undefined) this.inviting?.sawIssued(chain, this.clock.wall());
      done(taken !== undefined, at);
    });
  }

  // Certificates.

  /** A certificate for this host (DER, its own first), asked for or not. @returns whether it is in force now. */
  take(chain: readonly Uint8Array[], now: number, asGuest = false): boolean {
    let own: OwnCertificate;
    try {
      own = this.components.rules.readOwn(chain, this.clock.wall());
    } catch (error) {
      this.logger.warn('certificate refused', { err: messageOf(error) });
      return false;
    }
    // An older one, sent again, could take a name back.
    if (this.ended !== undefined || own.issuedAt < this.own.issuedAt) return false;
    if (own.user !== this.own.user) this.handler({ type: 'renaming', from: this.own.user }, now);
    this.own = own;
    this.toldLapsed = false;
    this.judged = undefined;
    this.logger.info('certificate', { user: own.user, until: new Date(own.notAfter).toISOString() });
    const { store } = this.components;
    this.keeper.keep('certificate', () => store.saveCertificates(own.chain), now);
    this.renewal.renewed(own, now);
    this.overlay?.node.setCertificates(this.messageChain);
    this.handler({ type: 'certificates', asGuest }, now);
    return true;
  }

  private takeAnswer(body: Uint8Array, now: number, asGuest = false): boolean {
    let answer: CertificateMessage;
    try {
      answer = decodeCertificateMessage(body);
    } catch (error) {
      if (!(error instanceof MalformedMessageError)) throw error;
      this.logger.debug('answer not understood', { err: error.message });
      return false;
    }
    if (answer.type === 'issued') return this.take(answer.chain, now, asGuest);
    if (answer.type === 'refused') this.logger.warn('not renewed', { why: answer.why });
    return false;
  }

  /** What this host's messages carry: members know the root, but perhaps not the inviter's certificate. */
  get messageChain(): readonly Uint8Array[] {
    return this.own.chain.slice(0, Math.max(1, this.own.chain.length - 1));
  }

  private askForRenewal(inviter: Hit, now: number, failed: (now: number) => void): void {
    const request = { type: 'renew' as const, chain: this.own.chain };
    const answered = (answer: Uint8Array | undefined, at: number): void => {
      if (answer === undefined || !this.takeAnswer(answer, at)) failed(at);
    };
    if (inviter === this.self) this.desk.fromOverlay(request, now, this.clock.wall(), answered);
    else this.askNode(inviter, certificateBody(request), now, answered);
  }

  // Records.

  private answerNeighbor(request: IncomingRequest<ExperimentalBody>): void {
    const { body, signer, now } = request;
    const answer = request.isAdjacent ? this.spreading.receive(signer.nodeId, body.bytes, now) : undefined;
    if (answer === undefined) request.fail(ERROR_CODES.forbidden, 'malformed, too much, or not over the own link');
    else request.answer({ type: 'exp_b_ans', bytes: answer });
  }

  private answerCertificateMessage(request: IncomingRequest<ExperimentalBody>, now: number): void {
    const message = decodeCertificateMessage(request.body.bytes);
    switch (message.type) {
      case 'issued':
        // Issued to this host's key by somebody who may, and no earlier than the one in force: nothing else is taken.
        if (this.take(message.chain, now)) request.answer({ type: 'exp_a_ans', bytes: new Uint8Array() });
        else request.fail(ERROR_CODES.forbidden, 'not a newer certificate of this host');
        return;
      case 'enroll':
      case 'renew':
        this.desk.fromOverlay(message, now, this.clock.wall(), (answer) => {
          if (answer === undefined) request.fail(ERROR_CODES.not_found, 'this host cannot issue certificates now');
          else request.answer({ type: 'exp_a_ans', bytes: answer });
        });
        return;
      case 'leaving':
        this.sawLeaving(request.signer.nodeId, message.at, now);
        request.answer({ type: 'exp_a_ans', bytes: new Uint8Array() });
        return;
      case 'refused':
        request.fail(ERROR_CODES.invalid_message, 'that is an answer');
    }
  }

  /** The message is signed by the host that leaves; said again later, it is too old. */
  private sawLeaving(hit: Hit, leftAt: number, now: number): void {
    const { inviting } = this;
    if (inviting === undefined || Math.abs(this.clock.wall() - leftAt) > MAX_LEAVING_SKEW_MS) return;
    this.logger.info('a host leaves', { nodeId: hit });
    inviting.sawLeaving(hit, leftAt);
    this.handler({ type: 'leaving', hit }, now);
  }

  private taken(records: readonly LedgerRecord[], now: number): void {
    this.keepRecords(now);
    this.judged = undefined;
    const before = this.inviting;
    for (const record of records) this.note(record);
    // One record may be what others needed to count.
    this.dismiss(this.marked.keys(), now);
    const { inviting } = this;
    if (before === undefined && inviting !== undefined) this.handler({ type: 'inviter' }, now);
  }

  private note({ kind, bytes, hit, user, at }: LedgerRecord): void {
    if (kind === 'revocation') {
      if (at >= (this.marked.get(hit)?.at ?? -Infinity)) this.marked.set(hit, { hit, user, at });
    } else if (hit === this.self)
      this.right = this.right?.isAuthority === true ? this.right : this.components.rules.invitingBy(bytes);
  }

  /** Those of the hosts that are no members any more, and were until now. */
  private dismiss(hits: Iterable<Hit>, now: number): void {
    const gone = [...hits].filter((hit) => !this.gone.has(hit) && this.components.rules.isRevoked(hit));
    if (gone.length === 0) return;
    for (const hit of gone) this.gone.add(hit);
    this.overlay?.node.forgetWriters(gone);
    this.endTickets(gone);
    for (const hit of gone) {
      this.logger.info('revoked', { nodeId: hit });
      if (hit === this.self) this.end('revoked', now);
      else this.dismissed.set(hit, now + DISMISSAL_MS);
    }
  }

  /** Whoever was thrown out is not to walk in again with what it has still: the ticket that it came with, most of all. */
  private endTickets(gone: readonly Hit[]): void {
    const wallNow = this.clock.wall();
    const revoked = gone.map((hit) => this.marked.get(hit) ?? { hit, user: null, at: wallNow });
    const ended = this.inviting?.sawRevoked(revoked, wallNow) ?? 0;
    if (ended > 0) this.logger.info('tickets ended', { count: ended, nodeId: gone });
  }

  private keepRecords(now: number): void {
    const { store } = this.components;
    const write = (): void => store.saveRecords(encodeSpreading({ type: 'records', records: this.ledger.all() }));
    this.keeper.keep('records', write, now);
  }

  /** What is broken is learnt anew from the neighbours. */
  private keptRecords(bytes: Uint8Array | undefined): readonly SpreadRecord[] {
    if (bytes === undefined) return [];
    try {
      const message = decodeSpreading(bytes);
      return message.type === 'records' ? message.records : [];
    } catch (error) {
      if (!(error instanceof MalformedMessageError)) throw error;
      this.logger.warn('kept records are broken', { err: error.message });
      return [];
    }
  }

  private end(how: 'revoked' | 'left', now: number): void {
    if (this.ended !== undefined) return;
    this.ended = how;
    this.renewal.stop();
    if (how === 'revoked') this.handler({ type: 'ended' }, now);
  }

  // Others.

  private otherInviters(): Hit[] {
    return this.components.rules.inviters().filter((hit) => hit !== this.self);
  }

  private rightToInvite(): Inviting {
    const { inviting } = this;
    if (inviting === undefined) throw new TypeError('this host may not invite');
    return inviting;
  }

  private askNode(
    hit: Hit,
    body: ExperimentalBody,
    now: number,
    done: (answer: Uint8Array | undefined, now: number) => void,
  ): void {
    if (this.overlay === undefined) {
      done(undefined, now);
      return;
    }
    this.overlay.node.requester.request({ destination: [toNode(hit)], body }, now, (result, at) => {
      done(result.ok && 'bytes' in result.body ? result.body.bytes : undefined, at);
    });
  }
}

function certificateBody(message: CertificateMessage): ExperimentalBody {
  return { type: 'exp_a_req', bytes: encodeCertificateMessage(message) };
}
