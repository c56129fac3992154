import type { Behaviour, Dependence } from '../access-network.ts';
import type { Kind } from './kinds.ts';

/** How two hosts stand to each other. */
export type Place = 'apart' | 'behind one NAT' | 'behind one carrier';

/** Whether RFC 4787 behaviour leaves a direct way by UDP, and why. */
export interface DirectWay {
  readonly isPossible: boolean;
  readonly why: string;
}

/** From the most permissive on; none maps, or filters, nothing. */
const ORDER: readonly Dependence[] = ['none', 'independent', 'address', 'address-port'];

interface End {
  readonly name: string;
  readonly mapping: Dependence;
  readonly filtering: Dependence;
  readonly passesUdp: boolean;
}

/** Routers in a row do together what the strictest of them does. */
function endOf({ name, routers }: Kind): End {
  const strictest = (pick: (router: Behaviour) => Dependence): Dependence =>
    routers.map(pick).reduce((a, b) => (ORDER.indexOf(a) >= ORDER.indexOf(b) ? a : b), 'none');
  return {
    name,
    mapping: strictest(({ mapping }) => mapping),
    filtering: strictest(({ filtering }) => filtering),
    passesUdp: routers.every(({ udp }) => udp !== 'off'),
  };
}

/**
 * Both ends send at once to the address that a public member saw of the other (RFC 8445). With a mapping that depends on the
 * destination (s4.1) that is not the address by which the end reaches the other: the other can only learn it from a packet
 * that its filter (s5) lets in, and checks answer to where they came from (RFC 8445 s7.2.5.2.1). Ports are not guessed.
 */
export function directWay(one: Kind, two: Kind, place: Place = 'apart'): DirectWay {
  const ends = [endOf(one), endOf(two)] as const;
  if (place === 'behind one NAT') return possible('both are in one LAN');
  if (one.isNat64 === true && two.isNat64 === true) return possible('both have IPv6');
  const blocked = ends.find(({ passesUdp }) => !passesUdp);
  if (blocked !== undefined) return impossible(`UDP does not pass ${blocked.name}`);
  if (place === 'behind one carrier') return impossible('their carrier leads nothing back inside (no hairpin)');
  const [a, b] = ends;
  const aIsKnown = isKnown(a);
  if (aIsKnown && isKnown(b)) return possible('each is reached where everybody sees it');
  if (aIsKnown || isKnown(b)) {
    const [known, unknown] = aIsKnown ? [a, b] : [b, a];
    return known.filtering === 'address-port'
      ? impossible(`${known.name} lets in only ports that it sent to, and that of ${unknown.name} is not known`)
      : possible(`${known.name} lets in a packet from a port of ${unknown.name} that it does not know, and learns it`);
  }
  const strict = ends.find(({ filtering }) => filtering === 'address-port');
  if (strict !== undefined)
    return impossible(`${strict.name} lets in only ports that it sent to, and that of the other is not known`);
  return ends.every(({ mapping }) => mapping === 'address-port')
    ? impossible('each port depends on the other one')
    : possible('both let in ports that they do not know, and one keeps its own');
}

function isKnown({ mapping }: End): boolean {
  return mapping === 'none' || mapping === 'independent';
}

function possible(why: string): DirectWay {
  return { isPossible: true, why };
}

function impossible(why: string): DirectWay {
  return { isPossible: false, why };
}
