import type { NodeId, ResourceId } from '../base/node-id.ts';

/**
 * One element of a Via or Destination List (RFC 6940 s6.3.2.2).
 *
 * ```
 * struct { DestinationType type; uint8 length; DestinationData destination_data; } Destination;
 * struct { uint16 opaque_id; } Destination;   // top bit MUST be 1
 * ```
 *
 * `compact` tells that an opaque ID is (to be) written in the 16-bit form: it then has two bytes, the first above 0x7f.
 */
export type Destination =
  | { readonly type: 'node'; readonly nodeId: NodeId }
  | { readonly type: 'resource'; readonly resourceId: ResourceId }
  | { readonly type: 'opaque'; readonly opaqueId: Uint8Array; readonly compact: boolean }
  | { readonly type: 'unknown'; readonly code: number; readonly data: Uint8Array };
