import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { NodeId, ResourceId } from '../../base/node-id.ts';
import { type Destination, ERROR_CODES, type FetchAnswer } from '../../reload/index.ts';
import { type Answer, type Requester, toNode, toResource } from '../requester.ts';
import { type PlaceView, decodeVerdicts, originOf } from './admission.ts';
import { type CopyRequest, copiesOf } from './copies.ts';
import type { Resource, ResourceStore } from './resource-store.ts';
import { specifierOf } from './selection.ts';
import type { ValueVerifier } from './value-verifier.ts';

/** How the copies of one resource were received. */
export type CopyOutcome =
  /** The answers say that all of it is held. */
  | { readonly type: 'held'; readonly holder: NodeId }
  /** Something was not taken; `newer`: the peer that answered had better values, and they are here now. */
  | { readonly type: 'refused'; readonly words: ReadonlySet<string>; readonly newer: boolean }
  | { readonly type: 'silent' };

/** What the answers so far have said. */
interface Sent {
  /** Of what was refused. */
  readonly words: Set<string>;
  /** Kinds that the peer does not know. */
  readonly unknown: Set<number>;
  readonly holder: NodeId | undefined;
}

/** Sends what is here of a resource to another peer, and fetches what that one has better. */
export class CopySender {
  private readonly store: ResourceStore;
  private readonly place: PlaceView;
  private readonly verifier: ValueVerifier;
  private readonly requester: Requester;
  private readonly clock: Clock;
  private readonly logger: Logger;
  private readonly maxMessageBytes: number;

  constructor(components: {
    store: ResourceStore;
    place: PlaceView;
    verifier: ValueVerifier;
    requester: Requester;
    clock: Clock;
    logger: Logger;
    maxMessageBytes: number;
  }) {
    this.store = components.store;
    this.place = components.place;
    this.verifier = components.verifier;
    this.requester = components.requester;
    this.clock = components.clock;
    this.logger = components.logger;
    this.maxMessageBytes = components.maxMessageBytes;
  }

  /**
   * @param nodeId undefined: to whoever is responsible
   * @param since the revision that the peer holds
   * @returns false: there is nothing to send, and `done` will not be called; it never is in the call
   */
  send(
    resource: Resource,
    nodeId: NodeId | undefined,
    since: number,
    now: number,
    done: (outcome: CopyOutcome, now: number) => void,
  ): boolean {
    const copies = copiesOf(this.store, resource, since, this.maxMessageBytes, now);
    if (copies.length === 0) return false;
    const destination = [nodeId === undefined ? toResource(resource.id) : toNode(nodeId)];
    this.sendNext(
      resource.id,
      destination,
      copies,
      { words: new Set(), unknown: new Set(), holder: nodeId },
      now,
      done,
    );
    return true;
  }

  /** One message after the other. */
  private sendNext(
    resource: ResourceId,
    destination: readonly Destination[],
    copies: CopyRequest[],
    sent: Sent,
    now: number,
    done: (outcome: CopyOutcome, now: number) => void,
  ): void {
    const copy = copies.shift();
    if (copy === undefined) {
      this.conclude(resource, destination, sent, now, done);
      return;
    }
    this.requester.request({ destination, ...copy }, now, (result, at) => {
      if (result.ok) {
        // A holder that changes in between holds a part.
        const other = sent.holder !== undefined && sent.holder !== result.signer.nodeId;
        if (other) sent.words.add('moved');
        this.sendNext(resource, destination, copies, { ...sent, holder: result.signer.nodeId }, at, done);
        return;
      }
      const { error } = result;
      if (error.errorCode === ERROR_CODES.request_timeout && error.info.length === 0) {
        done({ type: 'silent' }, at);
        return;
      }
      this.logger.debug('copy refused', { resource, nodeId: sent.holder, err: error.message });
      // Of an earlier version, say: it keeps the other Kinds of the place all the same.
      const isUnknown = error.errorCode === ERROR_CODES.unknown_kind;
      if (isUnknown) for (const { kind } of copy.body.kindData) sent.unknown.add(kind);
      const verdicts = isUnknown ? [] : decodeVerdicts(error.info);
      const words = verdicts.filter((word) => word !== 'taken' && word !== 'held');
      for (const word of words.length > 0 ? words : [error.code]) sent.words.add(word);
      // What refuses the request as a whole refuses the next one, too.
      if (isUnknown || sent.words.has('older') || sent.words.has('claimed'))
        this.sendNext(resource, destination, copies, sent, at, done);
      else done({ type: 'refused', words: sent.words, newer: false }, at);
    });
  }

  private conclude(
    resource: ResourceId,
    destination: readonly Destination[],
    { words, unknown, holder }: Sent,
    now: number,
    done: (outcome: CopyOutcome, now: number) => void,
  ): void {
    if (words.has('older') || words.has('claimed'))
      this.fetchBetter(resource, destination, unknown, now, (newer, at) => done({ type: 'refused', words, newer }, at));
    else if (words.size > 0) done({ type: 'refused', words, newer: false }, now);
    else if (holder === undefined) done({ type: 'silent' }, now);
    else done({ type: 'held', holder }, now);
  }

  /** RFC 6940 s7.4.1.1: "the peer MUST fetch the newer data from the peer generating the error". */
  private fetchBetter(
    resource: ResourceId,
    destination: readonly Destination[],
    unknown: ReadonlySet<number>,
    now: number,
    done: (newer: boolean, now: number) => void,
  ): void {
    const known = (this.store.find(resource)?.kinds ?? []).filter(({ kind }) => !unknown.has(kind.id));
    const specifiers = known.map(({ kind }) => ({ kind: kind.id, generation: 0n, specifier: specifierOf(kind) }));
    const body = { type: 'fetch_req' as const, resource, specifiers };
    this.requester.request({ destination, body }, now, (result, at) => {
      if (!result.ok || result.body.type !== 'fetch_ans') done(false, at);
      else done(this.merge(resource, result as Answer<FetchAnswer>, at), at);
    });
  }

  /** @returns whether something of it was better than what was here */
  private merge(resource: ResourceId, { body, certificates, signer }: Answer<FetchAnswer>, now: number): boolean {
    const origin = originOf(signer.nodeId, resource, this.place, now);
    if (origin === undefined) return false;
    const wallNow = this.clock.wall();
    const kinds = body.kindResponses.flatMap(({ kind: id, generation, values }) => {
      const kind = this.verifier.kind(id);
      if (kind === undefined) return [];
      const proven = values.map((data) => this.verifier.verify(resource, kind, data, certificates, wallNow));
      return [{ kind, generation, values: proven }];
    });
    const { verdicts } = this.store.offer(resource, kinds, origin, now, wallNow);
    return verdicts.flat().includes('taken');
  }
}
