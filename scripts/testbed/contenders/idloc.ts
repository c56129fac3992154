import { Agent } from '../agent.ts';
import type { Lab } from '../lab.ts';
import { cabledPair, carries } from './contender.ts';
import type { CabledPair, Contender } from './contender.ts';

/** Two agents with a direct link. */
export interface IdlocPair {
  readonly contender: Contender;
  readonly one: Agent;
  readonly two: Agent;
}

/**
 * @param environment of both agents' processes
 * @param who other than `idloc`: another pair in the same lab
 */
export async function idlocPair(
  lab: Lab,
  pair: CabledPair,
  environment: Readonly<Record<string, string>> = {},
  who = 'idloc',
): Promise<IdlocPair> {
  const overlay = { create: 'bench.example' };
  const one = await Agent.start(lab, { namespace: pair.a, name: `${who}-one`, overlay, environment });
  const ticket = await one.invite();
  const two = await Agent.start(lab, { namespace: pair.b, name: `${who}-two`, overlay: { join: ticket }, environment });
  const status = await two.status();
  await carries(pair.a, status.hit);
  const processes = [one.process, two.process];
  return {
    contender: { who, from: pair.a, to: pair.b, ipv6: status.hit, ipv4: status.ipv4, processes },
    one,
    two,
  };
}

export async function idlocContender(lab: Lab): Promise<Contender> {
  return (await idlocPair(lab, await cabledPair(lab, 'idloc'))).contender;
}

/** With the records protected by OpenSSL, whatever else is there. */
export async function idlocOpensslContender(lab: Lab): Promise<Contender> {
  const who = 'idloc-openssl';
  return (await idlocPair(lab, await cabledPair(lab, who), { IDLOC_AEAD: 'openssl' }, who)).contender;
}
