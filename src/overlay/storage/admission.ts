import type { NodeId, ResourceId } from '../../base/node-id.ts';
import { ERROR_CODES, type StoredData } from '../../reload/index.ts';
import { MAX_CLOCK_SKEW_MS, MAX_COPY_SKEW_MS, MAX_LIFETIME_S } from '../constants.ts';
import type { OverlayError } from '../errors.ts';
import type { Signer } from '../security/certificate-cache.ts';
import type { Kind } from './kinds.ts';

/** A value with who wrote it; signature and right to write were checked. */
export interface SignedValue {
  readonly data: StoredData;
  readonly signer: Signer;
}

/**
 * What became of an offered value. The words go over the wire, in the order of the values of the request, in the
 * error_info of a Store of which something was refused: nobody has to guess what is held.
 */
export type Verdict =
  | 'taken'
  /** It was here already. */
  | 'held'
  /** Nothing is known of this place here: the replicas are asked before a claim is believed. Never sent. */
  | 'ask'
  | Refusal;

export const REFUSALS = {
  /** The sender of the copy is not one that keeps this place. */
  sender: ERROR_CODES.forbidden,
  /** Not signed by one who may write it there. */
  writer: ERROR_CODES.forbidden,
  model: ERROR_CODES.invalid_message,
  size: ERROR_CODES.data_too_large,
  /** Too many values of the Kind here, or no room at all. */
  full: ERROR_CODES.data_too_large,
  /** Too many values of this writer. */
  quota: ERROR_CODES.data_too_large,
  lifetime: ERROR_CODES.forbidden,
  /** Written by a clock that is ahead of this peer's: says nothing about whose the place is. */
  future: ERROR_CODES.forbidden,
  /** Written so long ago that no value of the Kind may live still. */
  expired: ERROR_CODES.data_too_old,
  /** This peer has a later value of the place. */
  older: ERROR_CODES.data_too_old,
  /** Another host holds the place. */
  claimed: ERROR_CODES.forbidden,
  /** What is given back was not held. */
  unclaimed: ERROR_CODES.forbidden,
  /** Too much is being asked at once. */
  busy: ERROR_CODES.request_timeout,
} as const;

export type Refusal = keyof typeof REFUSALS;

/** On whose word a value comes. */
export interface Origin {
  /** From its writer, with replica number 0. Otherwise it is a copy, or what a fetch brought. */
  readonly isOriginal: boolean;
  /** The sender has been, here or elsewhere, responsible for the place, or has been asked: it knows whether it is free. */
  readonly knowsPlace: boolean;
  /** The sender is responsible for the place, this peer is not: of two claims the one stays that the sender holds. */
  readonly decides: boolean;
}

export const ORIGINAL: Origin = { isOriginal: true, knowsPlace: false, decides: false };
/** What is to be read, not kept. */
export const READ: Origin = { isOriginal: false, knowsPlace: true, decides: false };

/** What the routing table says about a place and who is near it. */
export interface PlaceView {
  /** In the ring as a peer; false while it joins. */
  readonly isMember: boolean;
  readonly isJoining: boolean;
  isResponsibleFor(resource: ResourceId): boolean;
  isInReplicaRange(resource: ResourceId): boolean;
  isPeer(nodeId: NodeId): boolean;
  /** Among the known peers, this one left out, the first from the resource on. */
  likelyResponsible(resource: ResourceId): NodeId | undefined;
  /** The next peer on the ring: it was responsible for what this peer is responsible for. */
  readonly successor: NodeId | undefined;
  isCloser(nodeId: NodeId, resource: ResourceId, than: NodeId): boolean;
  /** Has been a neighbour for a while: not one that came a moment ago to say something and go. */
  isSettled(nodeId: NodeId, now: number): boolean;
}

/**
 * What a copy counts that `sender` brings, or that it answered to a fetch; undefined: nothing (RFC 6940 s7.4.1.1: "a
 * plausible node to either have originally stored the value or have been in the replica set").
 *
 * - joining: the peer that hands the place over, its next on the ring;
 * - responsible: any member, since after two rings have met a former responsible peer may be far away. Values carry
 *   their proof, and of a claim the replicas are asked first;
 * - replica: a known peer, or one that is closer to the resource than those.
 */
export function originOf(sender: NodeId, resource: ResourceId, view: PlaceView, now: number): Origin | undefined {
  const copy = { isOriginal: false, knowsPlace: false, decides: false };
  const handsOver = sender === view.successor;
  if (!view.isMember) return view.isJoining && handsOver ? { ...copy, knowsPlace: true } : undefined;
  // Anyone may pass for a peer until it is seen not to answer.
  const isSettled = view.isSettled(sender, now);
  if (view.isResponsibleFor(resource)) return { ...copy, knowsPlace: handsOver && isSettled };
  if (!view.isInReplicaRange(resource)) return undefined;
  const responsible = view.likelyResponsible(resource);
  if (responsible === sender) return { ...copy, knowsPlace: isSettled, decides: isSettled };
  if (responsible === undefined || view.isPeer(sender)) return copy;
  return view.isCloser(sender, resource, responsible) ? copy : undefined;
}

/** What is at the place of an offered value. */
export interface Place {
  /** What stands there, unless it has expired. */
  readonly current: SignedValue | undefined;
  /** Values of the Kind at the resource. */
  readonly countOfKind: number;
  /** Values of the writer at this peer. */
  readonly countOfWriter: number;
  readonly maxPerWriter: number;
}

/** The one rule by which values are taken: from writers, as copies, and from fetches. */
export function judge(kind: Kind, value: SignedValue, origin: Origin, place: Place, wallNow: number): Verdict {
  const { data, signer } = value;
  if (data.value.model !== kind.dataModel) return 'model';
  if (data.value.value.length > kind.maxSize) return 'size';
  const refused = judgeAge(kind, data, origin, wallNow) ?? judgeConflict(kind, value, origin, place.current, wallNow);
  if (refused !== undefined) return refused;
  if (place.current === undefined && place.countOfKind >= kind.maxCount) return 'full';
  const adds = place.current?.signer.nodeId !== signer.nodeId;
  return adds && place.countOfWriter >= place.maxPerWriter ? 'quota' : 'taken';
}

/**
 * Both directions. The signature covers the storage time but not the lifetime (RFC 6940 s7.1), so whoever repeats an old
 * value may give it any: it ends with the longest life that its Kind allows, counted from when it was written.
 */
function judgeAge(kind: Kind, data: StoredData, { isOriginal }: Origin, wallNow: number): Refusal | undefined {
  const storageTime = Number(data.storageTime);
  if (storageTime > wallNow + (isOriginal ? MAX_CLOCK_SKEW_MS : MAX_COPY_SKEW_MS)) return 'future';
  if (storageTime + maxLifetimeS(kind) * 1000 <= wallNow) return 'expired';
  return data.lifetime === 0 || (isOriginal && data.lifetime > maxLifetimeS(kind)) ? 'lifetime' : undefined;
}

function judgeConflict(
  kind: Kind,
  value: SignedValue,
  origin: Origin,
  current: SignedValue | undefined,
  wallNow: number,
): Verdict | undefined {
  const isForeign = current !== undefined && current.signer.nodeId !== value.signer.nodeId;
  if (kind.accessPolicy === 'FIRST-CLAIM' || kind.accessPolicy === 'INVITER-CLAIM') {
    if (!value.data.value.exists) {
      if (isForeign) return 'claimed';
      if (current === undefined && origin.isOriginal) return 'unclaimed';
    } else {
      if (isForeign && current.data.value.exists) {
        if (origin.decides) return undefined;
        // A claim that is over yields to what was written after it, not to a replay of what it took the place of.
        const isOver = claimEnd(kind, current.data) <= wallNow && current.data.storageTime < value.data.storageTime;
        if (!isOver) return 'claimed';
      }
      if ((isForeign || current === undefined) && !origin.knowsPlace) return 'ask';
      // What another gave back says nothing about when it may be claimed.
      if (isForeign) return undefined;
    }
  }
  if (current === undefined) return undefined;
  const age = value.data.storageTime - current.data.storageTime;
  if (age > 0n) return undefined;
  return age === 0n && !origin.isOriginal ? 'held' : 'older';
}

/** Until when a claim keeps others away, milliseconds since the epoch; it may live longer. */
function claimEnd(kind: Kind, { storageTime, value }: StoredData): number {
  const claimMs = value.model === 'single' ? kind.claimMs?.(value.value) : undefined;
  return Number(storageTime) + (claimMs ?? Infinity);
}

/**
 * When a value ends that comes now, in monotonic time. What was taken away is remembered as long as anything written
 * before it may live.
 */
export function endOf(kind: Kind, { storageTime, lifetime, value }: StoredData, now: number, wallNow: number): number {
  const latest = now + Number(storageTime) + maxLifetimeS(kind) * 1000 - wallNow;
  return value.exists ? Math.min(now + lifetime * 1000, latest) : latest;
}

function maxLifetimeS(kind: Kind): number {
  return kind.maxLifetimeS ?? MAX_LIFETIME_S;
}

export function isRefusal(verdict: Verdict): verdict is Refusal {
  return Object.hasOwn(REFUSALS, verdict);
}

/** Longest list of verdicts that is read: more values than any message holds. */
const MAX_INFO_BYTES = 16_384;

/** error_info of a Store of which something was refused: the verdict of each value. */
export function encodeVerdicts(verdicts: readonly Verdict[]): string {
  return verdicts.join(' ');
}

/** Whether a Store failed because some value was refused for this reason. */
export function isRefusedAs({ info }: OverlayError, reason: Refusal): boolean {
  return decodeVerdicts(info).includes(reason);
}

/** What was refused is whatever is neither 'taken' nor 'held'; words of another version count as refusals, too. */
export function decodeVerdicts(info: Uint8Array): string[] {
  if (info.length === 0 || info.length > MAX_INFO_BYTES) return [];
  return Buffer.from(info).toString('latin1').split(' ');
}
