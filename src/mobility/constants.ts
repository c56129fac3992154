// Implementation.

/**
 * Candidates of our own that are offered, of each type: 8 bases and 12 remote candidates make 96 pairs, fewer than `MAX_PAIRS`
 * of ICE, so that the reflexive ones, which come last in order of priority, have theirs too. A relayed one takes the place of a host's.
 */
export const MAX_HOST_CANDIDATES = 8;
/** At TURN servers, the best of them, of each family: another one for when that is down. In the place of as many of the host. */
export const MAX_RELAYED_CANDIDATES = 4;
export const MAX_REFLEXIVE_CANDIDATES = 4;
/** Peers that are asked for our reflexive addresses; more tell nothing new but the kind of the NAT. */
export const MAX_BINDING_SERVERS = 3;
/** Servers of the configuration, of those: one peer is asked too. */
export const MAX_CONFIGURED_SERVERS = 2;
/** What servers told, kept: the latest of each of our addresses and each server. */
export const MAX_REFLEXIVES = 12;
/** Reflexive addresses are asked for again: the provider may give another one while the interface stays. */
export const REFLEXIVE_REFRESH_MS = 60_000;
/** What a server told counts so long for where we stand: one answer may be lost. */
export const REFLEXIVE_WORD_MS = 2.5 * REFLEXIVE_REFRESH_MS;
/** Where one server tells another mapping than before, the others that are asked get so long to say the contrary. */
export const MAPPING_DOUBT_MS = 1_000;

/**
 * Of many links whose paths are broken so many are looked at in one turn of the event loop, and few of them asked for: that is a
 * signature, a message and an ICE agent each. Their renewals have the same pace (src/link/constants.ts).
 */
export const REPAIR_ROUNDS = { looks: 64, atOnce: 4, everyMs: 2, turnMs: 1 } as const;

/** A broken path is asked to be mended again after this, doubled each time. */
export const REPAIR_FIRST_RETRY_MS = 1_000;
export const REPAIR_MAX_RETRY_MS = 8_000;
/** A link whose path stays broken this long is down. */
export const REPAIR_LIMIT_MS = 30_000;
/** Peers that everyone reaches mend by checks from the new address; the overlay is troubled only after this. */
export const REPAIR_REACHABLE_GRACE_MS = 1_000;
/** After the first overlay link works again, our new reflexive address is waited for at most this long: the question may be lost once. */
export const REPAIR_REFLEXIVE_GRACE_MS = 350;
/** Our other addresses, asked at the same moment, get this long after the first answer: from one without a way out none comes. */
export const REPAIR_OTHER_REFLEXIVES_MS = 20;
/** A peer that does not know our credentials has restarted, or answers late: this long its word is only a hint. */
export const FORGOTTEN_LIMIT_MS = 6_000;
/** Anyone on the way can forge that word, but not the answer that the peer gives to the next check: it gets this long. */
export const FORGOTTEN_VERIFY_MS = 300;

/** Whether the host has slept is looked at this often: after that it is in its overlay again. */
export const SLEEP_LOOK_MS = 2_000;
/** A shorter sleep is no more than a lost packet or two: peers and NATs still know us. */
export const SHORTEST_SLEEP_MS = 5_000;
