import { type Timed, earliest } from '../base/clock.ts';
import { MalformedMessageError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Hit } from '../base/node-id.ts';
import type { Random } from '../base/random.ts';
import { TimerQueue } from '../base/timer-queue.ts';
import type { RevokedHost } from '../identity/enrollment-register.ts';
import { DISMISSAL_MS, MAX_REASONS_TOLD } from './constants.ts';
import type { Keeper } from './keeper.ts';
import { Ledger, type LedgerRecord } from './ledger.ts';
import type { MembershipRules, MembershipStore } from './ports.ts';
import { Spreading, type SpreadingPorts } from './spreading.ts';
import { type SpreadRecord, decodeSpreading, encodeSpreading } from './spreading-message.ts';

export interface RecordsPorts {
  readonly ask: SpreadingPorts['ask'];
  /** This host may invite, says the record. */
  readonly granted: (grant: Uint8Array) => void;
  /** New records count from now on. */
  readonly taken: (now: number) => void;
  /** They are no members any more: nothing that they have stored or hold is to be believed. Their links have a moment yet. */
  readonly gone: (hits: readonly Hit[], now: number) => void;
  /** The links of this host are to end now. */
  readonly dismissed: (hit: Hit, now: number) => void;
}

/** Who may invite and who was revoked: learns from neighbours, proves, keeps, passes on, and tells what follows. */
export class Records implements Timed {
  private readonly rules: MembershipRules;
  private readonly store: MembershipStore;
  private readonly keeper: Keeper;
  private readonly ports: RecordsPorts;
  private readonly logger: Logger;
  private readonly self: Hit;
  private readonly ledger: Ledger;
  private readonly spreading: Spreading;
  /** Of whom there is a revocation, the latest, whether it counts or not. */
  private readonly marked = new Map<Hit, RevokedHost>();
  private readonly out = new Set<Hit>();
  /** Whose links are to end: when they had the time to learn why. */
  private readonly leaving = new TimerQueue<Hit>();

  constructor(
    components: {
      readonly rules: MembershipRules;
      readonly store: MembershipStore;
      readonly keeper: Keeper;
      readonly ports: RecordsPorts;
      readonly random: Random;
      readonly logger: Logger;
    },
    options: { readonly self: Hit; readonly maxMessageBytes: number },
  ) {
    const { rules, store, keeper, ports, random, logger } = components;
    this.rules = rules;
    this.store = store;
    this.keeper = keeper;
    this.ports = ports;
    this.logger = logger;
    this.self = options.self;
    this.ledger = new Ledger((kind, bytes) => rules.learn(kind, bytes));
    this.spreading = new Spreading(
      {
        ledger: this.ledger,
        ports: { ask: ports.ask, taken: (records, now) => this.taken(records, now) },
        random,
        logger,
      },
      options,
    );
  }

  /** Hosts that were revoked. */
  get gone(): ReadonlySet<Hit> {
    return this.out;
  }

  /** What is known of a revoked host. */
  of(hit: Hit, wallNow: number): RevokedHost {
    return this.marked.get(hit) ?? { hit, user: null, at: wallNow };
  }

  /**
   * Before anything else.
   * @param bytes as `saveRecords` got them; what is broken is learnt anew from the neighbours.
   * @param badNodes those of the configuration document.
   */
  load(bytes: Uint8Array | undefined, badNodes: readonly Hit[]): void {
    for (const { kind, bytes: record } of this.kept(bytes)) {
      const admitted = this.ledger.admit(kind, record);
      if (admitted !== undefined) this.note(admitted);
    }
    for (const hit of [...badNodes, ...this.marked.keys()]) if (this.rules.isRevoked(hit)) this.out.add(hit);
  }

  /** Takes statements that were made here, and tells the neighbours. */
  publish(kind: SpreadRecord['kind'], records: readonly Uint8Array[], now: number): void {
    this.spreading.publish(
      records.map((bytes) => ({ kind, bytes })),
      now,
    );
  }

  /** What tells a revoked host that it is; undefined: it was not revoked, or nothing here proves it. */
  proofsAgainst(hit: Hit): Uint8Array | undefined {
    if (!this.out.has(hit)) return undefined;
    const proofs = this.ledger.all().filter((record) => record.kind === 'revocation' && record.hit === hit);
    if (proofs.length === 0) return undefined;
    proofs.sort((a, b) => Number(b.byAuthority) - Number(a.byAuthority) || b.at - a.at);
    return encodeSpreading({ type: 'records', records: proofs.slice(0, MAX_REASONS_TOLD) });
  }

  /** What somebody tells of this host: proven like all records, whoever brings them. */
  takeProofs(bytes: Uint8Array, now: number): void {
    this.spreading.publish(this.kept(bytes).slice(0, MAX_REASONS_TOLD), now);
  }

  /** `bad-node` of a newer configuration document. */
  distrust(hits: readonly Hit[], now: number): void {
    for (const hit of hits) this.rules.distrust(hit);
    this.dismiss(hits, now);
  }

  /** A neighbour's message. @returns the answer; undefined: malformed, or too much of it. */
  receive(from: Hit, bytes: Uint8Array, now: number): Uint8Array | undefined {
    return this.spreading.receive(from, bytes, now);
  }

  linkUp(hit: Hit, now: number): void {
    this.spreading.linkUp(hit, now);
  }

  linkDown(hit: Hit): void {
    this.spreading.linkDown(hit);
  }

  /** What led nowhere before may lead there now. */
  joined(now: number): void {
    this.spreading.tryAgain(now);
  }

  nextTimeout(): number | undefined {
    return earliest(this.leaving.next(), this.spreading.nextTimeout());
  }

  handleTimeout(now: number): void {
    for (let hit = this.leaving.due(now); hit !== undefined; hit = this.leaving.due(now))
      this.ports.dismissed(hit, now);
    this.spreading.handleTimeout(now);
  }

  private taken(records: readonly LedgerRecord[], now: number): void {
    const write = (): void => this.store.saveRecords(encodeSpreading({ type: 'records', records: this.ledger.all() }));
    this.keeper.keep('records', write, now);
    for (const record of records) this.note(record);
    // One record may be what others needed to count.
    this.dismiss(this.marked.keys(), now);
    this.ports.taken(now);
  }

  private note({ kind, bytes, hit, user, at }: LedgerRecord): void {
    if (kind === 'revocation') {
      if (at >= (this.marked.get(hit)?.at ?? -Infinity)) this.marked.set(hit, { hit, user, at });
    } else if (hit === this.self) this.ports.granted(bytes);
  }

  /** Those of the hosts that are no members any more, and were until now. */
  private dismiss(hits: Iterable<Hit>, now: number): void {
    const gone = [...hits].filter((hit) => !this.out.has(hit) && this.rules.isRevoked(hit));
    if (gone.length === 0) return;
    for (const hit of gone) {
      this.out.add(hit);
      this.logger.info('revoked', { nodeId: hit });
      if (hit !== this.self) this.leaving.set(hit, now + DISMISSAL_MS);
    }
    this.ports.gone(gone, now);
  }

  private kept(bytes: Uint8Array | undefined): readonly SpreadRecord[] {
    if (bytes === undefined) return [];
    try {
      const message = decodeSpreading(bytes);
      return message.type === 'records' ? message.records : [];
    } catch (error) {
      if (!(error instanceof MalformedMessageError)) throw error;
      this.logger.warn('records are broken', { err: error.message });
      return [];
    }
  }
}
