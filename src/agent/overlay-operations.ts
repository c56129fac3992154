import { toHex } from '../base/bytes.ts';
import { IdlocError } from '../base/errors.ts';
import { hitToAddress } from '../base/node-id.ts';
import type { OverlayChange, OverlayConfiguration } from '../config/overlay-configuration.ts';
import type { ControlHandlers, Params, Result } from '../control/schemas.ts';
import type { Driver } from './driver.ts';
import type { Engine } from './engine.ts';

export interface OverlayOperationsComponents {
  readonly engine: Engine;
  readonly driver: Pick<Driver, 'run'>;
  /** SHA-256 of the authority's key. */
  readonly authority: Uint8Array;
  /** Without the secret of the overlay, members have no keys under which they could meet. */
  readonly canMeet: boolean;
}

/** What local clients may ask about what all members agree on, and with the authority's key: change of it. */
export function overlayHandlers(agent: OverlayOperationsComponents): Pick<ControlHandlers, 'overlay'> {
  return {
    overlay: (params) => {
      const { membership } = agent.engine;
      const change = changeOf(params, membership.configuration);
      const asked = Object.keys(params).length > 0;
      if (asked) checkRight(agent.engine);
      if (change === undefined) return describe(agent, false);
      if (params.rendezvous === 'mainline' && !agent.canMeet)
        throw new IdlocError('no_secret', 'this overlay was made without a secret: its members can meet nowhere');
      if (agent.engine.overlay?.state !== 'joined')
        throw new IdlocError('not_joined', 'not in the overlay yet: try again in a moment');
      agent.driver.run((now) => membership.change(change, now));
      return describe(agent, true);
    },
  };
}

/** Undefined: nothing. */
function changeOf(params: Params<'overlay'>, configuration: OverlayConfiguration): OverlayChange | undefined {
  const { rendezvous = configuration.rendezvous, certificateLifetimeS = configuration.certificateLifetimeS } = params;
  const isSame = rendezvous === configuration.rendezvous && certificateLifetimeS === configuration.certificateLifetimeS;
  return isSame ? undefined : { rendezvous, certificateLifetimeS };
}

/** Which host has the key, only its own host knows: one of those that may invite, unless it was taken away from there. */
function checkRight(engine: Engine): void {
  const { membership } = engine;
  if (membership.inviting?.isAuthority !== true) {
    const others = membership.office.inviters.filter((hit) => hit !== engine.hit);
    const named = others.map((hit) => engine.userOf(hit) ?? hitToAddress(hit)).join(', ');
    throw new IdlocError(
      'no_authority',
      `only with the authority's key can ${membership.configuration.overlay} be changed: run this where it is` +
        `${others.length === 0 ? '' : ` (${others.length === 1 ? '' : 'one of '}${named})`}, or \`idloc authority import\` it`,
    );
  }
}

function describe({ engine, authority }: OverlayOperationsComponents, changed: boolean): Result<'overlay'> {
  const { inviting, configuration } = engine.membership;
  const { overlay, sequence, mode, dnsName, ipv4Prefix, rendezvous, certificateLifetimeS, maxMessageSize } =
    configuration;
  const { initialTtl, reliabilityTimerMs, chordUpdateIntervalS, chordPingIntervalS, expiration } = configuration;
  return {
    ...{ overlay, sequence, mode, dnsName, ipv4Prefix, rendezvous, certificateLifetimeS, maxMessageSize },
    ...{ initialTtl, reliabilityTimerMs, chordUpdateIntervalS, chordPingIntervalS, expiration },
    authority: toHex(authority),
    hasAuthority: inviting?.isAuthority === true,
    changed,
  };
}
