import type { Lab } from '../lab.ts';
import { UNDERLAY, cabledPair, carries } from './contender.ts';
import type { Contender } from './contender.ts';

const IPV6 = { a: '2001:db8::1', b: '2001:db8::2' } as const;

/** The cable itself: what there is to be had. */
export async function rawContender(lab: Lab): Promise<Contender> {
  const { a, b } = await cabledPair(lab, 'raw');
  await a.ip('address', 'add', `${IPV6.a}/64`, 'dev', 'eth0', 'nodad');
  await b.ip('address', 'add', `${IPV6.b}/64`, 'dev', 'eth0', 'nodad');
  await carries(a, IPV6.b);
  return { who: 'raw', from: a, to: b, ipv6: IPV6.b, ipv4: UNDERLAY.b, processes: [] };
}
