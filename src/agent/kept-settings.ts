import type { AgentConfig } from '../config/agent-config.ts';
import { hitToAddress } from '../base/node-id.ts';
import { parseCertificate } from '../identity/certificate.ts';
import { isUserOf, labelOfUser } from '../identity/names.ts';
import type { Membership } from './membership.ts';

/** What the configuration says and a member has otherwise: what is kept, and what to do, in a line each. */
export function keptSettings(config: AgentConfig, { user, configuration, certificates }: Membership): string[] {
  const { overlay, ipv4Prefix, certificateLifetimeS, rendezvous } = configuration;
  const kept: string[] = [];
  const label = user === null ? null : labelOfUser(user);
  const renaming = (name: string): string =>
    `\`idloc rename ${label ?? ownAddress(certificates)} ${name}\` on a host that may invite changes that`;
  if (config.user !== null && config.user !== user)
    kept.push(
      `user: this host is ${user ?? 'nameless'} in ${overlay}, not ${config.user}: ` +
        (isUserOf(config.user, overlay)
          ? renaming(labelOfUser(config.user))
          : `only NAME@${overlay} could be: correct the setting`),
    );
  else if (config.user === null && config.name !== null && config.name !== label)
    kept.push(`name: this host is ${label ?? 'nameless'} in ${overlay}, not ${config.name}: ${renaming(config.name)}`);
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

/** Who has no name is called by its HIT. */
function ownAddress([own = new Uint8Array()]: readonly Uint8Array[]): string {
  return hitToAddress(parseCertificate(own).nodeId);
}
