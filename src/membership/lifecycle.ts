/**
 * What this host is to the overlay that it is in, or wants to be in:
 *
 *   invited ──a member has our request──> enrolling ──certificate──> member ──two thirds of its life──> renewing
 *      │ ^ └──────that member is gone──────────┘                       ^ └────────────────────────────────┘│
 *      │ │                                                             └───────────certificate─────────────┘
 *      │ │ └──the certificate is here already, or this host makes it──────┘
 *      v │
 *     left <──leave, stop── every other one;  member, renewing ──revocation of this host──> revoked
 */
export type MembershipState = 'invited' | 'enrolling' | 'member' | 'renewing' | 'revoked' | 'left';

const NEXT: Readonly<Record<MembershipState, readonly MembershipState[]>> = {
  invited: ['enrolling', 'member', 'left'],
  enrolling: ['invited', 'member', 'left'],
  member: ['renewing', 'revoked', 'left'],
  renewing: ['member', 'revoked', 'left'],
  revoked: ['left'],
  left: ['invited', 'member'],
};

/** One for the life of the agent: whoever lets the host in, keeps its membership or ends it moves it on. */
export class Lifecycle {
  private current: MembershipState;

  constructor(state: MembershipState = 'invited') {
    this.current = state;
  }

  get state(): MembershipState {
    return this.current;
  }

  /** A member, whose certificate may be due. */
  get isMember(): boolean {
    return this.current === 'member' || this.current === 'renewing';
  }

  /** @throws {TypeError} where that way does not exist. */
  move(to: MembershipState): void {
    if (to === this.current) return;
    if (!NEXT[this.current].includes(to)) throw new TypeError(`a host that is ${this.current} cannot be ${to} next`);
    this.current = to;
  }
}
