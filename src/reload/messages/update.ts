import type { NodeId } from '../../base/node-id.ts';

/**
 * RFC 6940 s10.7.
 *
 * ```
 * struct {
 *   uint32 uptime;  ChordUpdateType type;
 *   select (type) {
 *     case peer_ready: ;
 *     case neighbors:  NodeId predecessors<0..2^16-1>;  NodeId successors<0..2^16-1>;
 *     case full:       NodeId predecessors<0..2^16-1>;  NodeId successors<0..2^16-1>;  NodeId fingers<0..2^16-1>;
 *   };
 * } ChordUpdate;
 * ```
 */
export type ChordUpdate = { /** Seconds. */ readonly uptime: number } & (
  | { readonly type: 'peer_ready' }
  | { readonly type: 'neighbors'; readonly predecessors: readonly NodeId[]; readonly successors: readonly NodeId[] }
  | {
      readonly type: 'full';
      readonly predecessors: readonly NodeId[];
      readonly successors: readonly NodeId[];
      /** In numerically ascending order. */
      readonly fingers: readonly NodeId[];
    }
);

/** RFC 6940 s6.4.2.3: the contents are the overlay algorithm's, here CHORD-RELOAD's. */
export interface UpdateRequest {
  readonly type: 'update_req';
  readonly update: ChordUpdate;
}

/** RFC 6940 s6.4.2.3: success has nothing to tell. */
export interface UpdateAnswer {
  readonly type: 'update_ans';
}
