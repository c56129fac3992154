import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import type { NodeId } from '../../base/node-id.ts';

const VERSION = 1;
const MAX_VERSION_LENGTH = 32;

/** The members' list is kept in so many parts, so that no peer holds all of it. */
export const MEMBER_SHARDS = 64;

/**
 * IDLOC-MEMBER: that a host belongs to the overlay, under the key of its Node-ID; its user is that of the certificate.
 *
 * ```
 * struct { uint8 version; uint8 role; uint64 started_at; opaque software<0..2^8-1>; } IdlocMember;    // role: 1 peer, 2 client
 * ```
 */
export interface MemberValue {
  readonly role: 'peer' | 'client';
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  /** Its idloc's version. */
  readonly software: string;
}

export function encodeMemberValue({ role, startedAt, software }: MemberValue): Uint8Array {
  const writer = new ByteWriter();
  writer.u8(VERSION);
  writer.u8(role === 'peer' ? 1 : 2);
  writer.u64(BigInt(Math.max(0, Math.floor(startedAt))));
  writer.vector(1, () => writer.utf8(software.slice(0, MAX_VERSION_LENGTH)));
  return writer.finish();
}

/** @throws {MalformedMessageError} */
export function decodeMemberValue(bytes: Uint8Array): MemberValue {
  const reader = new ByteReader(bytes);
  const version = reader.u8();
  if (version !== VERSION) reader.fail(`version ${version} of the value is not known`);
  const role = reader.u8();
  if (role !== 1 && role !== 2) reader.fail(`role ${role} is not known`);
  const startedAt = reader.u64();
  if (startedAt > BigInt(Number.MAX_SAFE_INTEGER)) reader.fail('a time too far away');
  const software = Buffer.from(reader.vector(1).rest()).toString('latin1');
  if (!/^[\x20-\x7e]{0,32}$/.test(software)) reader.fail('a version that is no printable text');
  reader.end();
  return { role: role === 1 ? 'peer' : 'client', startedAt: Number(startedAt), software };
}

/** The resource name of a part of the members' list. */
export function memberShardName(shard: number): string {
  return `members:${shard.toString(16).padStart(2, '0')}`;
}

/** In which part a host writes itself: by the last bits of its Node-ID, which are a hash. */
export function memberShardOf(nodeId: NodeId): number {
  return Number.parseInt(nodeId.slice(-2), 16) % MEMBER_SHARDS;
}
