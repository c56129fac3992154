import { DEFAULT_IPV4_PREFIX } from '../base/ipv4-prefix.ts';
import {
  DEFAULT_CLIENT_CHECK_INTERVAL_MS,
  DEFAULT_MAX_MESSAGE_BYTES,
  DEFAULT_MAX_STORED_BYTES,
  DEFAULT_MAX_VALUES_PER_WRITER,
  DEFAULT_PING_INTERVAL_MS,
  DEFAULT_UPDATE_INTERVAL_MS,
  LOST_NEIGHBOR_RETRY_MS,
  NEIGHBORS_EACH_WAY,
  RELIABILITY_TIMER_MS,
  SUCCESSOR_HOLD_DOWN_MS,
} from './constants.ts';
import { type Ring, orchidRing } from './chord/ring.ts';
import { DEFAULT_KINDS, type Kind } from './storage/kinds.ts';
import { DEFAULT_INITIAL_TTL } from '../reload/index.ts';

/** What the configuration document of the overlay says (RFC 6940 s11.1), and local bounds. */
export interface OverlaySettings {
  /** instance-name. */
  readonly name: string;
  /** Sequence number of the configuration document, 0 to 65534 (s6.3.2.1). */
  readonly sequence: number;
  /** The document itself, for nodes whose copy is older. */
  readonly document?: Uint8Array;
  readonly ring: Ring;
  /** Where the hosts' IPv4 addresses are; claims of others are refused. */
  readonly ipv4Prefix: string;
  readonly kinds: readonly Kind[];
  readonly initialTtl: number;
  readonly maxMessageBytes: number;
  /** overlay-reliability-timer (s6.2.1), at least 200 ms. */
  readonly reliabilityTimerMs: number;
  readonly neighborsEachWay: number;
  /** chord-update-interval. */
  readonly updateIntervalMs: number;
  /** chord-ping-interval. */
  readonly pingIntervalMs: number;
  readonly successorHoldDownMs: number;
  readonly lostNeighborRetryMs: number;
  readonly clientCheckIntervalMs: number;
  readonly maxStoredBytes: number;
  readonly maxValuesPerWriter: number;
}

/** RFC 6940's defaults, with what differs. */
export function overlaySettings(
  given: Pick<OverlaySettings, 'name' | 'sequence'> & Partial<OverlaySettings>,
): OverlaySettings {
  return {
    ring: orchidRing,
    ipv4Prefix: DEFAULT_IPV4_PREFIX,
    kinds: DEFAULT_KINDS,
    initialTtl: DEFAULT_INITIAL_TTL,
    maxMessageBytes: DEFAULT_MAX_MESSAGE_BYTES,
    reliabilityTimerMs: RELIABILITY_TIMER_MS,
    neighborsEachWay: NEIGHBORS_EACH_WAY,
    updateIntervalMs: DEFAULT_UPDATE_INTERVAL_MS,
    pingIntervalMs: DEFAULT_PING_INTERVAL_MS,
    successorHoldDownMs: SUCCESSOR_HOLD_DOWN_MS,
    lostNeighborRetryMs: LOST_NEIGHBOR_RETRY_MS,
    clientCheckIntervalMs: DEFAULT_CLIENT_CHECK_INTERVAL_MS,
    maxStoredBytes: DEFAULT_MAX_STORED_BYTES,
    maxValuesPerWriter: DEFAULT_MAX_VALUES_PER_WRITER,
    ...given,
  };
}
