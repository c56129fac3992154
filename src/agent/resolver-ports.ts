import type { Hit } from '../base/node-id.ts';
import type { LinkManager } from '../link/link-manager.ts';
import type { DataPlane } from '../native/data-plane.ts';
import type { ResolverPorts } from '../resolver/resolver.ts';
import type { Calls } from './calls.ts';
import type { OwnNode } from './own-node.ts';
import type { PeerClaims } from './peer-claims.ts';

export interface ResolverPortsComponents {
  readonly dataPlane: Pick<DataPlane, 'refuse'>;
  readonly links: Pick<LinkManager, 'isUp'>;
  readonly node: Pick<OwnNode, 'names'>;
  readonly claims: Pick<PeerClaims, 'addresses' | 'learn' | 'lookup'>;
  readonly calls: Pick<Calls, 'connect'>;
  /** Lets a member's packets in. */
  readonly authorize: (hit: Hit) => void;
}

/** How a packet's address becomes a link: by the claims that we know, by the overlay's names, and by a call of the host. */
export function resolverPorts(components: ResolverPortsComponents): ResolverPorts {
  const { dataPlane, links, node, claims, calls, authorize } = components;
  return {
    isUp: (hit) => links.isUp(hit),
    lookupIpv4: (address, now, done) => {
      const known = claims.addresses.hitOf(address);
      if (known !== undefined) done({ ok: true, value: known });
      else if (node.names === undefined) done({ ok: false, reason: 'not in the overlay (yet)' });
      else
        node.names.lookupIpv4(address, now, (result) => {
          if (result.ok) claims.learn(result.value.hit, address);
          done(result.ok ? { ok: true, value: result.value.hit } : { ok: false, reason: result.error.message });
        });
    },
    connect: (hit, now, done) => {
      // In this order: what is asked second waits behind the first on the link (RFC 6940 s6.6.3.1).
      calls.connect(hit, now, done);
      claims.lookup(hit, now);
    },
    release: (hit) => authorize(hit),
    refuse: (address) => dataPlane.refuse(address),
  };
}
