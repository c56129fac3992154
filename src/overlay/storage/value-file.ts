import type { ResourceId } from '../../base/node-id.ts';
import type { PackedData } from './packed-data.ts';

/** Where a value stands: of the values of a Kind at a resource, by dictionary key or array index (`''`: the single one). */
export interface ValuePlace {
  readonly resource: ResourceId;
  readonly kind: number;
  readonly key: string;
}

/** A value as it is kept over a restart. */
export interface KeptValue extends ValuePlace {
  readonly packed: PackedData;
  /** Who signed it: the chain as in `Signer`, and the hash of the first certificate, by which it is kept once. */
  readonly chain: readonly Uint8Array[];
  readonly certificateHash: string;
  /** The generation counter of its Kind at the resource. */
  readonly generation: bigint;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

/** What a place is to hold from now on; undefined: nothing. */
export interface ValueChange {
  readonly place: ValuePlace;
  readonly value: KeptValue | undefined;
}

/**
 * Where stored values outlive a restart. `'lost'`: what was in it is of no use, and is set aside; it is empty now. No call
 * throws, and none takes longer than a turn of the event loop may.
 */
export interface ValueFile {
  /** Up to `count` values in the order of their places, those after a place or from the first on; fewer: there are no more. */
  read(after: ValuePlace | undefined, count: number): readonly KeptValue[] | 'lost';
  /** @returns how many of the changes, from the first on, it has taken; 0: it cannot now, and is to be asked again later. */
  write(changes: readonly ValueChange[]): number | 'lost';
  /** Nothing of it is needed any more. */
  clear(): void;
}
