import type { TrunkAccount } from '../../../src/sip/trunk/account.ts';
import { type SipHome, SipOverlay } from './sip-household.ts';
import { SipNetwork } from './sip-network.ts';
import type { SimPhone } from './sip-phone.ts';
import { SimProvider } from './sip-provider.ts';
import { account, PROVIDER, serverAt, SimTrunk } from './sip-trunk.ts';

export interface TrunkScene {
  readonly network: SipNetwork;
  readonly overlay: SipOverlay;
  readonly provider: SimProvider;
  readonly spare: SimProvider;
  readonly alice: SipHome;
  readonly box: SipHome;
  readonly trunk: SimTrunk;
  readonly other: SimTrunk;
}

export const GATEWAY = '192.0.2.1';
export const OTHER = '192.0.2.2';

/** Alice's host, the gateways `box` and `other`, and a provider with two servers. */
export function trunkScene(
  more: Partial<TrunkAccount> = {},
  gateways: readonly string[] = ['box', 'other'],
): TrunkScene {
  const network = new SipNetwork();
  const overlay = new SipOverlay(network);
  const alice = overlay.home('alice', { gateways });
  const box = overlay.home('box');
  const trunk = new SimTrunk(network, box, GATEWAY, account(more));
  const other = new SimTrunk(network, overlay.home('other'), OTHER, account(more));
  const provider = new SimProvider(network, '203.0.113.1');
  const spare = new SimProvider(network, '203.0.113.2');
  for (const gateway of [trunk, other]) {
    gateway.dns.set(PROVIDER, [serverAt('203.0.113.1'), serverAt('203.0.113.2')]);
    gateway.start();
  }
  network.loop.run(1_000);
  return { network, overlay, provider, spare, alice, box, trunk, other };
}

/** Of the requests that a phone got. */
export const methods = (phone: SimPhone): string[] => phone.received.map((line) => line.split(' ')[0] ?? '');
export const invites = ({ received }: SimProvider): string[] => received.filter((line) => line.startsWith('INVITE'));

/** A bob who may call by the same gateway. */
export function sceneWithBob(): TrunkScene & { readonly bob: SimPhone } {
  const all = trunkScene({ callers: ['alice', 'bob'] }, ['box']);
  const bob = all.overlay.home('bob', { gateways: ['box'] }).registered();
  return { ...all, bob };
}
