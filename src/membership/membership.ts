import { equalBytes } from '../base/bytes.ts';
import { type Clock, type Timed, earliest } from '../base/clock.ts';
import { MalformedMessageError, messageOf } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Hit } from '../base/node-id.ts';
import type { Random } from '../base/random.ts';
import type { OverlayChange, OverlayConfiguration } from '../config/overlay-configuration.ts';
import type { RevokedHost } from '../identity/enrollment-register.ts';
import { WILDCARD_NODE_ID } from '../overlay/constants.ts';
import { compareSequences, nextSequence } from '../overlay/configuration-sequence.ts';
import type { IncomingRequest } from '../overlay/handlers/handler.ts';
import type { OverlayNode } from '../overlay/overlay-node.ts';
import { toNode } from '../overlay/requester.ts';
import type { Reserve } from '../overlay/reservations.ts';
import { kindsOf } from '../overlay/storage/kinds.ts';
import { ERROR_CODES, type ExperimentalBody } from '../reload/index.ts';
import { type CertificateMessage, decodeCertificateMessage, encodeCertificateMessage } from './certificate-message.ts';
import { MAX_TOLD_INVITERS } from './constants.ts';
import { type DeskDone, type DeskRequest, EnrollmentDesk, type EnrollmentDeskPorts } from './enrollment-desk.ts';
import { decodeEnrollmentExchange, encodeEnrollmentExchange } from './enrollment-exchange.ts';
import { InviterOffice, type InviterOfficePorts } from './inviter-office.ts';
import { Keeper, type Writing } from './keeper.ts';
import type { Lifecycle, MembershipState } from './lifecycle.ts';
import { OwnCertificate, type OwnCertificatePorts } from './own-certificate.ts';
import type { Inviting, MembershipRules, MembershipStore, OwnCertificate as Certificate } from './ports.ts';
import { Records, type RecordsPorts } from './records.ts';

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
  readonly lifecycle: Lifecycle;
  readonly random: Random;
  readonly clock: Clock;
  readonly logger: Logger;
  /** @throws {Error} when the document is not of this overlay, or not signed as it should be. */
  readonly readConfiguration: (document: Uint8Array) => OverlayConfiguration;
}

/** What the state directory held. */
export interface KeptMembership {
  readonly own: Certificate;
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
  readonly hasCome: EnrollmentDeskPorts['hasCome'];
  readonly reserve: Reserve;
}

/**
 * The one place that knows who belongs to the overlay, and tells whoever links and signs of changes: what this host is to it
 * (`Lifecycle`), its certificate, the configuration document, who may invite and who was revoked (`Records`), what an inviter
 * does (`InviterOffice`), and whom it lets in (`EnrollmentDesk`).
 */
export class Membership implements Timed {
  readonly self: Hit;
  /** This host's certificate. */
  readonly own: OwnCertificate;
  /** The right to invite, and who else has it. */
  readonly office: InviterOffice;
  private readonly components: MembershipComponents;
  private readonly clock: Clock;
  private readonly logger: Logger;
  private readonly lifecycle: Lifecycle;
  private readonly keeper: Keeper;
  private readonly records: Records;
  private readonly desk: EnrollmentDesk;
  private currentDocument: Uint8Array;
  private currentConfiguration: OverlayConfiguration;
  private overlay: MembershipOverlay | undefined;
  private wasInviter: boolean;
  private handler: (event: MembershipEvent, now: number) => void = () => {};

  constructor(components: MembershipComponents, kept: KeptMembership) {
    const { self, rules, store, lifecycle, random, clock, logger } = components;
    this.components = components;
    this.self = self;
    this.clock = clock;
    this.logger = logger;
    this.lifecycle = lifecycle;
    this.currentDocument = kept.document;
    this.currentConfiguration = components.readConfiguration(kept.document);
    const keeper = new Keeper({ logger });
    this.keeper = keeper;
    const { badNodes, maxMessageSize: maxMessageBytes } = this.currentConfiguration;
    this.records = new Records(
      { rules, store, keeper, ports: this.recordsPorts(), random, logger },
      { self, maxMessageBytes },
    );
    const ofInviters = this.officePorts();
    this.office = new InviterOffice({ self, rules, ports: ofInviters, clock, logger }, kept.inviting);
    const ports = this.certificatePorts();
    this.own = new OwnCertificate({ rules, store, keeper, lifecycle, ports, random, clock, logger }, kept.own);
    this.desk = new EnrollmentDesk({ self, ports: this.deskPorts(ofInviters), random, logger });
    this.records.load(kept.records, badNodes);
    this.wasInviter = this.inviting !== undefined;
  }

  get state(): MembershipState {
    return this.lifecycle.state;
  }

  /** The user that the certificate names. */
  get user(): string | null {
    return this.own.user;
  }

  /** When the certificate ends, milliseconds since the epoch. */
  get expires(): number {
    return this.own.expires;
  }

  get configuration(): OverlayConfiguration {
    return this.currentConfiguration;
  }

  get document(): Uint8Array {
    return this.currentDocument;
  }

  /** The right to invite, where this host has it. */
  get inviting(): Inviting | undefined {
    return this.office.inviting;
  }

  get revoked(): ReadonlySet<Hit> {
    return this.records.gone;
  }

  /** The same, with whose each was as far as its revocation says. */
  get revokedHosts(): readonly Pick<RevokedHost, 'hit' | 'user'>[] {
    return [...this.revoked].map((hit) => this.records.of(hit, this.clock.wall()));
  }

  /** The certificate has ended: others take this host for a guest, who may only ask for a new one. */
  get lapsed(): boolean {
    return this.own.lapsed;
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
    if (this.revoked.has(this.self)) {
      this.expelled(now);
      return;
    }
    if (this.office.isUnknownAuthority) this.office.grant(this.components.spki, now);
    // The register may have come with the authority's key, from where they were not known.
    this.endTickets([...this.revoked]);
    this.own.start(now);
  }

  stop(): void {
    this.lifecycle.move('left');
    this.own.stop();
  }

  /**
   * Tells those that let hosts in that this one leaves, so that others may have its name.
   * @param done whether all have heard it, as soon as that is known.
   */
  resign(now: number, done: (complete: boolean, now: number) => void): void {
    const told = this.office.others.slice(0, MAX_TOLD_INVITERS);
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
    if (!this.lifecycle.isMember) return;
    this.records.linkUp(hit, now);
    this.own.wake(now);
  }

  /** The node is in the overlay: what led nowhere before may lead there now. */
  joined(now: number): void {
    if (!this.lifecycle.isMember) return;
    this.records.joined(now);
    this.own.wake(now);
  }

  linkDown(hit: Hit): void {
    this.records.linkDown(hit);
  }

  nextTimeout(): number | undefined {
    return earliest(this.records.nextTimeout(), this.own.nextTimeout(), this.keeper.nextTimeout());
  }

  handleTimeout(now: number): void {
    this.keeper.handleTimeout(now);
    this.records.handleTimeout(now);
    if (this.lifecycle.isMember) this.own.handleTimeout(now);
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
    const bytes = encodeCertificateMessage(this.own.renewalRequest);
    const transactionId = new DataView(random.bytes(8).buffer).getBigUint64(0);
    return encodeEnrollmentExchange('exp_a_req', bytes, { overlay, transactionId, to: WILDCARD_NODE_ID });
  }

  /** What may have come back over that link. @returns whether it was such an answer. */
  answeredAsGuest(message: Uint8Array, now: number): boolean {
    const answer = decodeEnrollmentExchange('exp_a_ans', message);
    if (answer === undefined) return false;
    this.own.takeAnswer(answer.bytes, now, true);
    return true;
  }

  /** What a host that was revoked while it was away is sent over its link as a guest; undefined: it was not, or nothing proves it. */
  noticeFor(
    hit: Hit,
    { overlay, random }: { readonly overlay: string; readonly random: Random },
  ): Uint8Array | undefined {
    const proofs = this.records.proofsAgainst(hit);
    if (proofs === undefined) return undefined;
    const transactionId = new DataView(random.bytes(8).buffer).getBigUint64(0);
    return encodeEnrollmentExchange('exp_b_req', proofs, { overlay, transactionId, to: hit });
  }

  /** What may be such a notice for this host. @returns whether it was one. */
  noticed(message: Uint8Array, now: number): boolean {
    const notice = decodeEnrollmentExchange('exp_b_req', message);
    if (notice?.to !== this.self) return false;
    this.records.takeProofs(notice.bytes, now);
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
    this.records.distrust(configuration.badNodes, now);
    this.handler({ type: 'configuration' }, now);
    return true;
  };

  /**
   * The overlay agrees on something else from now on. It is on the disk before anybody hears of it, so that no other document
   * ever has its sequence number.
   * @throws {Error} when it cannot be written; {TypeError} without the authority's key.
   */
  change(change: OverlayChange, now: number): void {
    const { inviting } = this;
    if (inviting === undefined) throw new TypeError('this host may not invite');
    const sequence = nextSequence(this.currentConfiguration.sequence);
    const document = inviting.signConfiguration({ ...this.currentConfiguration, ...change, sequence });
    this.components.store.saveOverlayDocument(document);
    this.acceptConfiguration(document, now);
  }

  private answerNeighbor(request: IncomingRequest<ExperimentalBody>): void {
    const { body, signer, now } = request;
    const answer = request.isAdjacent ? this.records.receive(signer.nodeId, body.bytes, now) : undefined;
    if (answer === undefined) request.fail(ERROR_CODES.forbidden, 'malformed, too much, or not over the own link');
    else request.answer({ type: 'exp_b_ans', bytes: answer });
  }

  private answerCertificateMessage(request: IncomingRequest<ExperimentalBody>, now: number): void {
    const message = decodeCertificateMessage(request.body.bytes);
    switch (message.type) {
      case 'issued':
        // Issued to this host's key by somebody who may, and no earlier than the one in force: nothing else is taken.
        if (this.own.take(message.chain, now)) request.answer({ type: 'exp_a_ans', bytes: new Uint8Array() });
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
        this.office.sawLeaving(request.signer.nodeId, message.at, now);
        request.answer({ type: 'exp_a_ans', bytes: new Uint8Array() });
        return;
      case 'refused':
        request.fail(ERROR_CODES.invalid_message, 'that is an answer');
    }
  }

  private expelled(now: number): void {
    if (!this.lifecycle.isMember) return;
    this.lifecycle.move('revoked');
    this.own.stop();
    this.handler({ type: 'ended' }, now);
  }

  private endTickets(gone: readonly Hit[]): void {
    const wallNow = this.clock.wall();
    this.office.endTickets(gone.map((hit) => this.records.of(hit, wallNow)));
  }

  // What the parts ask of each other.

  private recordsPorts(): RecordsPorts {
    return {
      ask: (hit, bytes, now, done) => this.askNode(hit, { type: 'exp_b_req', bytes }, now, done),
      granted: (grant) => this.office.granted(grant),
      taken: (now) => {
        this.own.judgeAnew();
        const isInviter = this.inviting !== undefined;
        if (isInviter && !this.wasInviter) this.handler({ type: 'inviter' }, now);
        this.wasInviter = isInviter;
      },
      gone: (hits, now) => {
        this.overlay?.node.forgetWriters(hits);
        this.endTickets(hits);
        if (hits.includes(this.self)) this.expelled(now);
      },
      dismissed: (hit, now) => this.handler({ type: 'revoked', hit }, now),
    };
  }

  private officePorts(): InviterOfficePorts {
    return {
      isRevoked: (hit) => this.revoked.has(hit),
      publish: (kind, records, now) => this.records.publish(kind, records, now),
      take: (chain, now) => this.own.take(chain, now),
      deliver: (hit, chain, now, done) => {
        const body = certificateBody({ type: 'issued', chain });
        this.askNode(hit, body, now, (taken, at) => done(taken !== undefined, at));
      },
      holdersOf: (user, now, done) => {
        if (this.overlay === undefined) done(undefined, now);
        else this.overlay.holdersOf(user, now, done);
      },
      reserve: (user, hits, now, done) => {
        if (this.overlay === undefined) done('unknown', now);
        else this.overlay.reserve(user, hits, now, done);
      },
      left: (hit, now) => this.handler({ type: 'leaving', hit }, now),
    };
  }

  private certificatePorts(): OwnCertificatePorts {
    return {
      inviters: () => (this.inviting === undefined ? this.office.others : [this.self]),
      ask: (inviter, request, now, done) => {
        if (inviter === this.self) this.desk.fromOverlay(request, now, this.clock.wall(), done);
        else this.askNode(inviter, certificateBody(request), now, done);
      },
      renaming: (from, now) => this.handler({ type: 'renaming', from }, now),
      changed: (asGuest, now) => {
        this.overlay?.node.setCertificates(this.own.messageChain);
        this.handler({ type: 'certificates', asGuest }, now);
      },
      lapsed: (now) => this.handler({ type: 'lapsed' }, now),
    };
  }

  private deskPorts({ holdersOf, left }: InviterOfficePorts): EnrollmentDeskPorts {
    return {
      inviting: () => this.inviting,
      inviters: () => this.office.others,
      ask: (inviter, message, now, done) => this.askNode(inviter, certificateBody(message), now, done),
      holdersOf,
      hasCome: (hit, now, done) => {
        if (this.overlay === undefined) done(undefined, now);
        else this.overlay.hasCome(hit, now, done);
      },
      handedOn: (hit, now) => {
        if (this.inviting !== undefined) this.office.revoke([hit], now);
      },
      reserve: this.office.reserve,
      formerHoldersOf: (user, now, done) => {
        if (this.overlay === undefined) done([], now);
        else this.overlay.formerHoldersOf(user, now, done);
      },
      left,
    };
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
