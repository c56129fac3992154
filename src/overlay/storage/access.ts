import { concatBytes, fromHex, toHex } from '../../base/bytes.ts';
import { MalformedMessageError } from '../../base/errors.ts';
import type { Ipv4Prefix } from '../../base/ipv4-prefix.ts';
import { isNodeId, type NodeId, type ResourceId } from '../../base/node-id.ts';
import type { StoredDataValue } from '../../reload/index.ts';
import type { Ring } from '../chord/ring.ts';
import { MAX_IPV4_CHOICES } from '../constants.ts';
import { ipv4Choice } from '../ipv4-choice.ts';
import type { Signer } from '../security/certificate-cache.ts';
import type { Kind } from './kinds.ts';
import { mailOf, mailPartName, mailPartOf, mailboxPlaceName } from './mail-value.ts';
import { memberShardName, memberShardOf } from './member-value.ts';
import { numberOf, numberResourceName } from './number-value.ts';
import { decodeOwnPart, ownPartNames, type PartPlaces } from './own-part.ts';
import { type Ipv4Value, decodeIpv4Value, ipv4ResourceName, reservationOf, reservationResourceName } from './values.ts';

/** Where things belong in this overlay. */
export interface Places {
  readonly ring: Ring;
  readonly ipv4Prefix: Ipv4Prefix;
  /** Whether a host may let others in, as far as is known here. */
  readonly mayInvite: (nodeId: NodeId) => boolean;
}

/** Whether `signer` may write this value of the Kind at the resource (RFC 6940 s7.3). */
export function mayWrite(
  places: Places,
  kind: Kind,
  resource: ResourceId,
  value: StoredDataValue,
  signer: Signer,
): boolean {
  const { ring } = places;
  switch (kind.accessPolicy) {
    case 'USER-MATCH':
      return isUserResource(ring, resource, signer);
    case 'NODE-MATCH':
      return ring.resourceIdOf(fromHex(signer.nodeId)) === resource;
    case 'USER-NODE-MATCH':
      return (
        value.model === 'dictionary' && toHex(value.key) === signer.nodeId && isUserResource(ring, resource, signer)
      );
    case 'USER-NODE-PART':
      return kind.parts !== undefined && isOwnPart(ring, kind.parts, resource, value, signer);
    case 'USER-NODE-NUMBER':
      return isOwnNumber(ring, resource, value, signer);
    case 'MAILBOX':
      return isMail(ring, resource, value, signer);
    case 'NODE-PART':
      return isOwnMailPart(ring, resource, value, signer);
    case 'NODE-MULTIPLE':
      return isNodeMultiple(ring, kind.maxNodeMultiple ?? 1, resource, signer);
    case 'NODE-SHARD':
      return isOwnEntry(ring, resource, value, signer);
    case 'FIRST-CLAIM':
      return isOwnClaim(places, resource, value, signer);
    case 'INVITER-CLAIM':
      return isReservation(places, resource, value, signer);
  }
}

function isUserResource(ring: Ring, resource: ResourceId, signer: Signer): boolean {
  return signer.user !== null && ring.resourceIdOf(signer.user) === resource;
}

function isOwnPart(
  ring: Ring,
  places: PartPlaces,
  resource: ResourceId,
  value: StoredDataValue,
  { nodeId, user }: Signer,
): boolean {
  if (value.model !== 'dictionary' || toHex(value.key) !== nodeId || user === null) return false;
  const index = partIndexOf(places, value.value);
  return index !== undefined && ownPartNames(places, user, index).some((name) => ring.resourceIdOf(name) === resource);
}

/** Undefined: it is no part. */
function partIndexOf(places: PartPlaces, value: Uint8Array): number | undefined {
  try {
    return decodeOwnPart(places, value).index;
  } catch (error) {
    if (error instanceof MalformedMessageError) return undefined;
    throw error;
  }
}

/** What is taken away says where it stood, too: otherwise anybody could fill a place with what takes nothing away. */
function isOwnNumber(ring: Ring, resource: ResourceId, value: StoredDataValue, { nodeId, user }: Signer): boolean {
  if (value.model !== 'dictionary' || toHex(value.key) !== nodeId || user === null) return false;
  const number = numberOf(value.value);
  if (number === undefined || (number.user === null) === value.exists) return false;
  return ring.resourceIdOf(numberResourceName(number.token, user)) === resource;
}

/**
 * Whoever leaves a message, under its own key; who takes one away, its writer or a host of the user whose mailbox it is. Either says whose
 * that is: otherwise anybody could fill other places with it.
 */
function isMail(ring: Ring, resource: ResourceId, value: StoredDataValue, { nodeId, user }: Signer): boolean {
  const mail = value.model === 'dictionary' ? mailOf(value.value) : undefined;
  if (value.model !== 'dictionary' || mail === undefined || value.exists === (mail.sealed.length === 0)) return false;
  const key = toHex(value.key);
  const mayTakeAway = !value.exists && user === mail.user && isNodeId(key);
  return (key === nodeId || mayTakeAway) && ring.resourceIdOf(mailboxPlaceName(mail.place, mail.user)) === resource;
}

/** What is taken away has no content. */
function isOwnMailPart(ring: Ring, resource: ResourceId, value: StoredDataValue, { nodeId }: Signer): boolean {
  const part = mailPartOf(value.value);
  if (part === undefined || value.exists === (part.content.length === 0)) return false;
  return ring.resourceIdOf(mailPartName(nodeId, part.slot, part.index)) === resource;
}

/** s7.3.4: H(Node-ID || i); i is one byte here, as the iteration of a TURN-SERVICE is. */
function isNodeMultiple(ring: Ring, max: number, resource: ResourceId, signer: Signer): boolean {
  const nodeId = fromHex(signer.nodeId);
  for (let i = 1; i <= max; i++) if (ring.resourceIdOf(concatBytes(nodeId, Uint8Array.of(i))) === resource) return true;
  return false;
}

function isOwnEntry(ring: Ring, resource: ResourceId, value: StoredDataValue, { nodeId }: Signer): boolean {
  const mine = value.model === 'dictionary' && toHex(value.key) === nodeId;
  return mine && ring.resourceIdOf(memberShardName(memberShardOf(nodeId))) === resource;
}

/**
 * A claim names its writer and its place, which is one of the few that the writer's HIT chooses: nobody holds more than
 * those. Whether what is given back was held is for `judge` to say.
 */
function isOwnClaim(
  { ring, ipv4Prefix }: Places,
  resource: ResourceId,
  value: StoredDataValue,
  signer: Signer,
): boolean {
  if (!value.exists) return true;
  const claim = claimOf(value);
  return (
    claim !== undefined &&
    claim.hit === signer.nodeId &&
    claim.user === signer.user &&
    claim.choice < MAX_IPV4_CHOICES &&
    ring.resourceIdOf(ipv4ResourceName(claim.ipv4)) === resource &&
    ipv4Choice(ipv4Prefix, claim.hit, claim.choice) === claim.ipv4
  );
}

function isReservation(
  { ring, mayInvite }: Places,
  resource: ResourceId,
  value: StoredDataValue,
  signer: Signer,
): boolean {
  if (!mayInvite(signer.nodeId)) return false;
  if (!value.exists) return true;
  const user = reservationOf(value.value)?.user;
  return user !== undefined && ring.resourceIdOf(reservationResourceName(user)) === resource;
}

/** @returns undefined for a value that is given back or that is no claim. */
export function claimOf(value: StoredDataValue): Ipv4Value | undefined {
  if (!value.exists) return undefined;
  try {
    return decodeIpv4Value(value.value);
  } catch {
    return undefined;
  }
}

/**
 * Which of two claims of different hosts is believed by a peer that has neither and hears of both: the earlier choice of
 * its writer, then the lower HIT. Anyone can check it, and it was settled when the keys were made.
 */
export function claimWins(a: Ipv4Value, b: Ipv4Value): boolean {
  return a.choice < b.choice || (a.choice === b.choice && a.hit < b.hit);
}
