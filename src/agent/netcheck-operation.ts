import { setTimeout as delay } from 'node:timers/promises';
import { type Hit, hitToAddress } from '../base/node-id.ts';
import { formatSocketAddress, sameSocketAddress } from '../base/socket-address.ts';
import type { Result, Status } from '../control/schemas.ts';
import { judgeNetwork } from '../mobility/netcheck.ts';
import { isGloballyReachable } from '../mobility/reachability.ts';
import { agreed, type Reflexive } from '../mobility/sightings.ts';
import type { DataPlane } from '../native/data-plane.ts';
import type { Directory } from './directory.ts';
import type { Driver } from './driver.ts';
import type { Engine } from './engine.ts';
import { checkFiltering } from './filtering-check.ts';
import type { FoundTurnServer } from '../overlay/turn-lookup.ts';
import { lookUpNat64 } from './nat64-lookup.ts';
import type { PortMapping } from './port-mapping.ts';

/** Servers have so long to tell how they see us: three requests of theirs (RFC 8489 s6.2.1: 500 ms, 1 s). */
const ANSWERS_MS = 2_000;
const LOOK_MS = 100;
/** The router's first answer, when the agent has only just begun. */
const MAPPING_MS = 2_000;
/** Members are found in a round trip or two; what has not answered by then is not waited for. */
const LOOK_UP_MS = 3_000;

/** What of the agent it takes. */
export interface NetcheckComponents {
  readonly engine: Engine;
  readonly driver: Driver;
  readonly directory: Directory;
  readonly dataPlane: DataPlane;
  /** Our addresses now. */
  readonly locators: () => readonly string[];
  /** Undefined: switched off. */
  readonly portMapping: PortMapping | undefined;
}

/** What network this host is in, asked for anew. */
export async function netcheck(
  agent: NetcheckComponents,
  portMapping: Status['portMapping'],
  signal: AbortSignal,
): Promise<Result<'netcheck'>> {
  const { engine, driver, dataPlane, directory } = agent;
  const { links } = engine;
  let begun = 0;
  const seen = engine.contacts.flatMap(({ locators }) => locators.slice(0, 1));
  const others = seen.filter(({ address }) => isGloballyReachable(address));
  const asked = driver.run((now) => {
    begun = now;
    return links.lookAround(others, now);
  });
  const [prefixes, filtering, turnServers] = await Promise.all([
    lookUpNat64(),
    checkFiltering(links.addresses.servers, signal),
    Promise.race([foundTurnServers(agent), delay(LOOK_UP_MS, [])]),
    agent.portMapping?.settled(MAPPING_MS),
  ]);
  const fresh = (): readonly Reflexive[] => links.addresses.reflexive.filter(({ seenAt }) => seenAt >= begun);
  const silent = (): boolean => asked.some((server) => !fresh().some((word) => sameSocketAddress(word.server, server)));
  for (let waited = 0; waited < ANSWERS_MS && silent() && !signal.aborted; waited += LOOK_MS) await delay(LOOK_MS);

  const nat64 = prefixes.map(({ address, length }) => `${address}/${length}`);
  const relays = links.relaysAvailable;
  const nameOf = (hit: Hit): string | null => directory.hostNameOf(engine.userOf(hit));
  const reflexive = agreed(links.addresses.reflexive);
  const { mapping, kind, ipv4, ipv6, udp, works, ask } = judgeNetwork({
    addresses: agent.locators(),
    port: dataPlane.port,
    reflexive,
    filtering,
    asked,
    answered: fresh().map(({ server }) => server),
    mapping: agent.portMapping?.mapping,
    nat64,
    relays: new Set([...relays, ...turnServers.map(({ hit }) => hit)]).size,
  });
  return {
    nat: {
      kind,
      mapping,
      filtering: filtering ?? 'unknown',
      mapped: [...new Set(reflexive.map(({ mapped }) => formatSocketAddress(mapped)))],
    },
    ipv4,
    ipv6,
    nat64,
    udp,
    asked: asked.length,
    portMapping,
    relays: relays.map((hit) => ({ hit: hitToAddress(hit), name: nameOf(hit) })),
    turnServers: turnServers.map(({ hit, address }) => ({
      hit: hitToAddress(hit),
      name: nameOf(hit),
      address: formatSocketAddress(address),
    })),
    works: [...works],
    ask: [...ask],
  };
}

function foundTurnServers({ driver, engine }: NetcheckComponents): Promise<readonly FoundTurnServer[]> {
  return new Promise((resolve) => {
    driver.run((now) => engine.turnMembers.look(now, resolve));
  });
}
