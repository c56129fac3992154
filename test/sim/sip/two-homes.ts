import type { ProxyPorts, Refusal, Target } from '../../../src/sip/proxy/ports.ts';
import { SipNetwork, type SipNetworkOptions } from './sip-network.ts';
import { SimPhone } from './sip-phone.ts';
import { SimProxy } from './sip-proxy.ts';

export const ALICE_PROXY = {
  inner: { address: '198.18.0.1', port: 5062 },
  outer: { address: '2001:20::a', port: 5062 },
};
export const BOB_PROXY = { inner: { address: '198.18.1.1', port: 5062 }, outer: { address: '2001:20::b', port: 5062 } };

export interface TwoHomes {
  readonly network: SipNetwork;
  readonly alice: SimPhone;
  /** Bob's phones: at 198.18.1.10, .11 and so on. */
  readonly phones: readonly SimPhone[];
  readonly bob: SimPhone;
  readonly aliceProxy: SimProxy;
  readonly bobProxy: SimProxy;
  /** All tables of all: 0 when nothing goes on. */
  readonly leftovers: () => number;
}

/** alice's phone - alice's proxy - bob's proxy - bob's phones. */
export function twoHomes(
  options: SipNetworkOptions & {
    readonly phones?: number;
    readonly transport?: 'udp' | 'tcp';
    readonly qs?: readonly number[];
    readonly bobs?: (targets: readonly Omit<Target, 'flow'>[]) => readonly Omit<Target, 'flow'>[] | Refusal;
    readonly bobPorts?: Partial<ProxyPorts>;
    readonly alicePorts?: Partial<ProxyPorts>;
  } = {},
): TwoHomes {
  const { seed = 1, phones: count = 1, transport = 'udp', qs = [] } = options;
  const network = new SipNetwork(options);
  const suffix = transport === 'tcp' ? ';transport=tcp' : '';
  const toBob = [{ uri: 'sip:bob@home.example', route: [`sip:[2001:20::b]:5062${suffix};lr`] }];
  const aliceProxy = new SimProxy(network, ALICE_PROXY, () => toBob, options.alicePorts, seed + 1);
  const phones = Array.from(
    { length: count },
    (_, index) =>
      new SimPhone(
        network,
        'bob',
        { address: { address: `198.18.1.${10 + index}`, port: 5060 }, proxy: BOB_PROXY.inner, transport },
        seed + 10 + index,
      ),
  );
  const contacts = phones.map(({ address }, index) => {
    const uri = `sip:bob@${address.address}:5060${suffix}`;
    return { uri, q: qs[index] };
  });
  const bobs = options.bobs?.(contacts) ?? contacts;
  const bobProxy = new SimProxy(
    network,
    BOB_PROXY,
    (user) => (user === 'bob' ? bobs : { status: 404, reason: 'Not Found' }),
    options.bobPorts,
    seed + 2,
  );
  const alice = new SimPhone(
    network,
    'alice',
    { address: { address: '198.18.0.10', port: 5060 }, proxy: ALICE_PROXY.inner, transport },
    seed + 3,
  );
  const [bob] = phones;
  if (bob === undefined) throw new Error('bob has no phone');
  return {
    ...{ network, alice, phones, bob, aliceProxy, bobProxy },
    leftovers: () => [aliceProxy, bobProxy, alice, ...phones].reduce((sum, { leftovers }) => sum + leftovers, 0),
  };
}
