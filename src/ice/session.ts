import type { Candidate, IceParameters } from '../base/candidate.ts';
import type { Random } from '../base/random.ts';
import type { SocketAddress } from '../base/socket-address.ts';
import { formatSocketAddress } from '../base/socket-address.ts';
import type { IceAgentOptions } from './agent-options.ts';
import type { CandidatePair } from './candidate-pair.ts';
import { canPair, makePair, makePairs } from './candidate-pair.ts';
import { bestOfEachBase, basesOf } from './candidates.ts';
import type { Credentials, IceCredentials } from './credentials.ts';
import { randomCredentials, splitUsername } from './credentials.ts';
import type { IceRole } from './path.ts';
import { RemoteCandidates } from './remote-candidates.ts';
import { TieBreaker } from './tie-breaker.ts';

const NONE: readonly Candidate[] = [];

/** What both sides of an ICE session (RFC 8445 s4) are to each other: credentials, candidates, and who controls. */
export class Session {
  readonly remotes = new RemoteCandidates();
  readonly tieBreaker: TieBreaker;
  /** Changed by the nominator only. */
  role: IceRole;
  private current: Credentials;
  private named: readonly Candidate[];
  private relays = NONE;
  private bases: ReadonlyMap<string, Candidate>;

  constructor(random: Random, options: IceAgentOptions) {
    this.role = options.role;
    this.tieBreaker = new TieBreaker(random);
    this.named = options.localCandidates;
    this.bases = basesOf(options.localCandidates);
    this.current = { local: options.localCredentials ?? randomCredentials(random), remote: undefined };
  }

  get credentials(): Credentials {
    return this.current;
  }

  /** Of the host itself, without the ways through others. */
  get localCandidates(): readonly Candidate[] {
    return this.named;
  }

  get localParameters(): IceParameters {
    return { ...this.current.local, candidates: this.named };
  }

  /** Does the USERNAME of a request name this session? */
  owns(username: string): boolean {
    return splitUsername(username).asked === this.current.local.ufrag;
  }

  /** The credentials of the peer. @returns false: it has others, so they are of another session. */
  meet({ ufrag, pwd }: IceCredentials): boolean {
    const { local, remote } = this.current;
    if (remote !== undefined) return remote.ufrag === ufrag && remote.pwd === pwd;
    this.current = { local, remote: { ufrag, pwd } };
    return true;
  }

  setLocalCandidates(candidates: readonly Candidate[]): void {
    this.named = candidates;
    this.bases = this.relays.length === 0 ? basesOf(candidates) : bestOfEachBase([...candidates, ...this.relays]);
  }

  setRelays(relays: readonly Candidate[]): void {
    this.relays = relays;
    this.bases = bestOfEachBase([...this.named, ...relays]);
  }

  /** One local candidate for each base. */
  get locals(): readonly Candidate[] {
    return [...this.bases.values()];
  }

  hasBase(base: SocketAddress): boolean {
    return this.bases.has(formatSocketAddress(base));
  }

  pairsWith(remotes: readonly Candidate[]): CandidatePair[] {
    return makePairs(this.role, this.bases.values(), remotes);
  }

  /** Of a check that came from `remote` (RFC 8445 s7.3.1.3, s7.3.1.4). `kept` is not forgotten for it. */
  learnPair(
    local: SocketAddress,
    remote: SocketAddress,
    priority: number,
    kept: SocketAddress | undefined,
  ): CandidatePair | undefined {
    const base = this.bases.get(formatSocketAddress(local));
    if (base === undefined || !canPair(local, remote)) return undefined;
    return makePair(this.role, base, this.remotes.learn(remote, priority, kept));
  }
}
