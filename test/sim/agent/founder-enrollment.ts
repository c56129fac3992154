import type { Membership } from '../../../src/agent/membership.ts';
import type { Random } from '../../../src/base/random.ts';
import { EnrollmentServer } from '../../../src/identity/enrollment.ts';

/** What lets newcomers in where a founder does not run. */
export function founderEnrollment(membership: Membership, random: Random): EnrollmentServer {
  const { founder, trust, document, secret, configuration } = membership;
  if (founder === undefined) throw new Error('it has no authority');
  return new EnrollmentServer({
    issuer: founder.authority,
    register: founder.register,
    trust,
    configuration: () => document,
    secret: () => secret,
    lifetimeMs: () => configuration.certificateLifetimeS * 1000,
    random,
    onReplaced: ({ replaced }) => {
      for (const hit of replaced) trust.revoke(hit);
    },
  });
}
