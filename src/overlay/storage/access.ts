import { concatBytes, fromHex, toHex } from '../../base/bytes.ts';
import type { ResourceId } from '../../base/node-id.ts';
import type { StoredDataValue } from '../../reload/index.ts';
import type { Ring } from '../chord/ring.ts';
import type { Signer } from '../security/certificate-cache.ts';
import type { Kind } from './kinds.ts';
import { memberShardName, memberShardOf } from './member-value.ts';
import { type Ipv4Value, decodeIpv4Value, ipv4ResourceName } from './values.ts';

/** Whether `signer` may write this value of the Kind at the resource (RFC 6940 s7.3). */
export function mayWrite(
  ring: Ring,
  kind: Kind,
  resource: ResourceId,
  value: StoredDataValue,
  signer: Signer,
): boolean {
  switch (kind.accessPolicy) {
    case 'USER-MATCH':
      return isUserResource(ring, resource, signer);
    case 'NODE-MATCH':
      return ring.resourceIdOf(fromHex(signer.nodeId)) === resource;
    case 'USER-NODE-MATCH':
      return (
        value.model === 'dictionary' && toHex(value.key) === signer.nodeId && isUserResource(ring, resource, signer)
      );
    case 'NODE-MULTIPLE':
      return isNodeMultiple(ring, kind.maxNodeMultiple ?? 1, resource, signer);
    case 'NODE-SHARD':
      return isOwnEntry(ring, resource, value, signer);
    case 'FIRST-CLAIM':
      return isOwnClaim(ring, resource, value, signer);
  }
}

function isUserResource(ring: Ring, resource: ResourceId, signer: Signer): boolean {
  return signer.user !== null && ring.resourceIdOf(signer.user) === resource;
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

/** A claim names its writer and its place; giving back needs the writer only, which the store compares. */
function isOwnClaim(ring: Ring, resource: ResourceId, value: StoredDataValue, signer: Signer): boolean {
  if (!value.exists) return true;
  const claim = claimOf(value);
  return (
    claim !== undefined &&
    claim.hit === signer.nodeId &&
    claim.user === signer.user &&
    ring.resourceIdOf(ipv4ResourceName(claim.ipv4)) === resource
  );
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
 * Which of two claims of different hosts stays when both are there, as after a partition: the one first made, then the
 * lower HIT. Every peer decides alike.
 */
export function claimWins(a: Ipv4Value, b: Ipv4Value): boolean {
  return a.claimedAt < b.claimedAt || (a.claimedAt === b.claimedAt && a.hit < b.hit);
}
