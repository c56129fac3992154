/** What became of messages; shown in the status. */
export interface OverlayCounters {
  received: number;
  forwarded: number;
  delivered: number;
  sent: number;
  sentBytes: number;
  /** Bytes that are no message of this overlay. */
  malformed: number;
  /** Signature or certificate not good, or an answer of somebody who was not asked. */
  unproven: number;
  /** No way to the destination, or an answer that nobody waits for. */
  undeliverable: number;
  /** Requests of nodes that had used up their share of costly work. */
  limited: number;
}

export function zeroCounters(): OverlayCounters {
  return {
    received: 0,
    forwarded: 0,
    delivered: 0,
    sent: 0,
    sentBytes: 0,
    malformed: 0,
    unproven: 0,
    undeliverable: 0,
    limited: 0,
  };
}
