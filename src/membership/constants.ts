// Implementation constants: nothing of this room is in an RFC.

/** Revocations that are kept: the latest. A record has some 900 bytes. */
export const MAX_REVOCATIONS = 4_096;
/** A revocation has several frames, which are acknowledged one by one: so long its host is still linked to be told. */
export const DISMISSAL_MS = 500;
/** Revocations that a host is told that comes back after its own; one is enough, but not everyone's counts. */
export const MAX_REASONS_TOLD = 4;
/** Hosts that may invite. */
export const MAX_GRANTS = 256;
/** One grant or revocation with the certificates that prove it. */
export const MAX_RECORD_BYTES = 4_096;

/** Ids, keys and frames of a message that is filled with records; the overlay's limit is for the whole message. */
export const SPREADING_OVERHEAD_BYTES = 2_000;
/** A neighbour is asked for its summary this often, beside at each new link: what a lost push has left out is found. */
export const COMPARE_INTERVAL_MS = 600_000;
/** Of two that are linked, one compares first; the other does so itself when it has heard nothing of that for so long. */
export const COMPARE_PATIENCE_MS = 2_000;
/** Neighbours that are compared with at once; others wait. */
export const MAX_COMPARISONS = 8;
/** Neighbours that are told of new records in one turn of the event loop, each by a signed message: there may be thousands. */
export const PUSH_PACE = { atOnce: 16, everyMs: 1 } as const;

/** Messages of one neighbour about records. Pushes cost the check of signatures; a newcomer's questions come in a row. */
export const PUSHES_PER_SECOND = 2;
export const PUSHES_BURST = 32;
export const QUESTIONS_PER_SECOND = 20;
export const QUESTIONS_BURST = 512;

/** Renewal begins when this part of a certificate's life is left, and up to the jitter before, so that members do not ask in step. */
export const RENEWAL_PART = 1 / 3;
export const RENEWAL_JITTER = 1 / 16;
/** Of its life, a certificate just issued is not renewed before, whatever the wall clock says. */
export const MIN_REST_PART = 1 / 8;
/** Between two rounds over all inviters: this part of the life that is left, within the bounds. */
export const RENEWAL_RETRY_PART = 1 / 16;
export const MIN_RENEWAL_RETRY_MS = 2_000;
export const MAX_RENEWAL_RETRY_MS = 600_000;
/** The wall clock may step: what hangs on it is looked at this often. */
export const WALL_CHECK_MS = 60_000;

/** What could not be written is written later. */
export const PERSIST_RETRY_MS = 60_000;
/** What members show of themselves is written once for so long: a crash costs that. */
export const GATHER_MS = 10_000;

/** After the entry was written: whether another agent of the same key has written there; doubled each time. */
export const DOUBLE_CHECK_MS = 3_000;
export const MAX_DOUBLE_CHECK_MS = 600_000;
/** After a link was ended by the other end: long enough for a new link, and for the other agent's entry. */
export const DOUBLE_SUSPECTED_MS = 1_000;
/** An entry that is later than this agent's start by so much was not written by its former life. */
export const MIN_DOUBLE_AGE_MS = 2_000;
/** How long it is remembered that a member has ended a link, and of how many. */
export const DOUBLE_MEMORY_MS = 60_000;
export const MAX_DOUBLE_MEMBERS = 64;
/** Who loses its links over and over waits before it seeks others: both agents get the time to see the other's entry. */
export const DOUBLE_HOLD_MS = 1_500;
/** The agent that gives way is out so long at first; doubled each time, since each look disturbs the other one's links. */
export const DOUBLE_AWAY_MS = 60_000;
export const MAX_DOUBLE_AWAY_MS = 3_600_000;

/** Inviters that a host tells when it leaves; they are a handful. */
export const MAX_TOLD_INVITERS = 16;
/** A clock may be as wrong as that; what is older was said in an earlier life. */
export const MAX_LEAVING_SKEW_MS = 600_000;

/** Requests of guests that wait for another inviter's answer. */
export const MAX_RELAYS = 64;

/** The entry in the members' list: long, since a host that sleeps for weeks is still a member. */
export const ROSTER_LIFETIME_S = 30 * 86_400;
export const ROSTER_REFRESH_MS = 12 * 3_600_000;
/** After a store that failed; doubled each time. */
export const ROSTER_RETRY_MS = 10_000;
export const MAX_ROSTER_RETRY_MS = 600_000;
/** Neighbours that a peer asks for their copies of its own entry. */
export const ROSTER_COPIES_ASKED = 2;
/** Parts of the list that are fetched at once. */
export const ROSTER_FETCHES = 8;
