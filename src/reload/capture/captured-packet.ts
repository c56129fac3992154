/** A packet of a capture file, with the header of its link layer. */
export interface CapturedPacket {
  /** Seconds since the epoch. */
  readonly time: number;
  /** LINKTYPE_ number. */
  readonly linkType: number;
  readonly bytes: Uint8Array;
  /** True when the capture kept less than what was sent. */
  readonly cutOff: boolean;
}
