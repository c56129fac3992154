import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import type { CandidatePair } from './candidate-pair.ts';
import { pathOf } from './candidate-pair.ts';
import { Consent } from './consent.ts';
import type { Outbox } from './outbox.ts';
import type { IceState } from './path.ts';
import { distanceOf } from './path.ts';
import { RelayedLook } from './relayed-look.ts';

/** The selected pair, with consent to it; or none, and what the state of the session is then. */
export class Selection {
  readonly look = new RelayedLook();
  private readonly outbox: Outbox;
  private readonly random: Random;
  private readonly logger: Logger;
  private currentState: IceState = 'new';
  private current: Consent | undefined;
  private reached: SocketAddress | undefined;

  constructor(components: { outbox: Outbox; random: Random; logger: Logger }) {
    this.outbox = components.outbox;
    this.random = components.random;
    this.logger = components.logger;
  }

  get state(): IceState {
    return this.currentState;
  }

  get pair(): CandidatePair | undefined {
    return this.current?.pair;
  }

  get consent(): Consent | undefined {
    return this.current;
  }

  /** Where the peer was last reached: first to be tried from new addresses. */
  get lastRemote(): SocketAddress | undefined {
    return this.reached;
  }

  /** Would it be better to have `pair`? */
  isImprovedBy(pair: CandidatePair): boolean {
    const { current } = this;
    if (current === undefined) return true;
    if (pair === current.pair) return false;
    return current.suspectSince !== undefined || distanceOf(pathOf(pair)) < distanceOf(pathOf(current.pair));
  }

  set(pair: CandidatePair, now: number): void {
    this.current = new Consent(this.random, pair, now);
    this.reached = pair.remote.address;
    this.look.reset();
    this.changeState('connected');
    this.outbox.tell({ type: 'selected', path: pathOf(pair) });
  }

  clear(): void {
    this.current = undefined;
  }

  /** Checks begin. */
  checking(): void {
    if (this.current === undefined) this.changeState('checking');
  }

  /** Nothing is selected, and no check is left that could change it. */
  fail(): void {
    this.changeState('failed');
    this.outbox.tell({ type: 'failed' });
  }

  close(): void {
    this.changeState('closed');
    this.clear();
  }

  private changeState(state: IceState): void {
    if (state === this.currentState) return;
    this.logger.debug('ice.state', { from: this.currentState, to: state });
    this.currentState = state;
  }
}
