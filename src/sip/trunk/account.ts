import type { NumberPlan } from '../numbers.ts';
import type { Credentials } from './digest.ts';
import type { Wanted } from './server-location.ts';

/** What a gateway's owner has said of its trunk: a provider where it registers, or a domain that it peers with. */
export interface TrunkAccount {
  /** Of the provider, or the peer: what stands behind the @ of its numbers. */
  readonly domain: string;
  /** Its servers are looked for here. */
  readonly server: Wanted;
  /** To register with; undefined: it is a peer. */
  readonly credentials: Credentials | undefined;
  /** In the AoR at the provider. */
  readonly user: string | undefined;
  /** E.164 number, or whatever else is called, to the label of a member. */
  readonly numbers: ReadonlyMap<string, string>;
  /** Such numbers that were given to members while it runs, as they are now: E.164 number to label. Absent: none. */
  readonly assigned?: ReadonlyMap<string, string> | undefined;
  /** Label of the member that all other calls ring; undefined: there are none. */
  readonly defaultUser: string | undefined;
  /** Labels of members that may call out; undefined: each that has a name. */
  readonly callers: readonly string[] | undefined;
  /** Calls to other domains than this one go out, and whoever calls is let in (RFC 3263). */
  readonly isOpen: boolean;
  readonly maxCalls: number;
  readonly plan: NumberPlan;
}
