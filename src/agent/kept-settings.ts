import type { AgentConfig } from '../config/agent-config.ts';
import type { Membership } from './membership.ts';

/** What the configuration says and a member has otherwise: what is kept, and what to do, in a line each. */
export function keptSettings(config: AgentConfig, { user, configuration }: Membership): string[] {
  const { overlay, ipv4Prefix, certificateLifetimeS, rendezvous } = configuration;
  const kept: string[] = [];
  const [label = null] = user?.split('@') ?? [];
  if (config.user !== null && config.user !== user)
    kept.push(
      `user: this host is ${user ?? 'nameless'} in ${overlay}, not ${config.user}: \`idloc rename\` changes that`,
    );
  else if (config.user === null && config.name !== null && config.name !== label)
    kept.push(
      `name: this host is ${label ?? 'nameless'} in ${overlay}, not ${config.name}: \`idloc rename\` changes that`,
    );
  if (config.ipv4Prefix !== null && config.ipv4Prefix !== ipv4Prefix)
    kept.push(
      `ipv4_prefix: ${overlay} has ${ipv4Prefix}, not ${config.ipv4Prefix}: only who creates an overlay chooses`,
    );
  if (config.certificateLifetimeS !== null && config.certificateLifetimeS !== certificateLifetimeS)
    kept.push(
      `certificate_lifetime: ${overlay} has ${certificateLifetimeS}, not ${config.certificateLifetimeS}: \`idloc overlay\` changes that, where the authority's key is`,
    );
  if (config.rendezvous !== null && config.rendezvous !== rendezvous)
    kept.push(
      `rendezvous: ${overlay} has ${rendezvous}, not ${config.rendezvous}: \`idloc overlay\` changes that, where the authority's key is`,
    );
  return kept;
}
