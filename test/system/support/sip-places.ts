import { join } from 'node:path';
import { TUN_NAME, type Agent } from '../../../scripts/testbed/agent.ts';
import { eventually } from '../../../scripts/testbed/command.ts';
import type { Lab, Namespace } from '../../../scripts/testbed/lab.ts';
import { Phone, type PhoneOptions } from '../../../scripts/testbed/phone.ts';
import { speechLike, writeWav } from '../../../scripts/testbed/speech.ts';
import { OVERLAY, type ThreeHosts } from '../../../scripts/testbed/three-hosts.ts';
import { type CallEnd, CallWatch } from './call-watch.ts';

/** A host, and where its phones live. */
export interface Place {
  readonly agent: Agent;
  readonly namespace: Namespace;
}

/** A phone with ordinary settings beside its host's agent, registered. */
export async function phoneAt(
  lab: Lab,
  { agent, namespace }: Place,
  options: Pick<PhoneOptions, 'family'> & Partial<PhoneOptions>,
): Promise<Phone> {
  // A phone that finds no IPv4 address of its registrar registers over IPv6.
  const status = await eventually(`${agent.name} has an IPv4 address`, 20_000, async () => {
    const current = await agent.status();
    return current.ipv4 === null ? undefined : current;
  });
  const nameserver = status.dns?.listen;
  const speech = join(lab.directory, 'speech.wav');
  writeWav(speech, speechLike(40, 6940));
  const phone = await Phone.start({
    namespace,
    directory: lab.folder(`phone-${agent.name}-${options.index ?? 0}`),
    addressOfRecord: `${agent.name}@${OVERLAY}`,
    interfaceName: TUN_NAME,
    speech,
    registers: 'any',
    ...(nameserver === undefined ? {} : { nameserver }),
    ...options,
  });
  await phone.registered(10_000);
  return phone;
}

export function placesOf({ homes, alice, bob }: ThreeHosts): { alice: Place; bob: Place } {
  return {
    alice: { agent: alice, namespace: homes.a.namespace },
    bob: { agent: bob, namespace: homes.b.namespace },
  };
}

/** What goes between the hosts from now on. */
export async function watchCall(
  lab: Lab,
  label: string,
  { alice, bob }: { readonly alice: Place; readonly bob: Place },
): Promise<CallWatch> {
  const end = ({ agent, namespace }: Place): CallEnd => ({ name: agent.name, namespace, agent, uplink: 'eth0' });
  return CallWatch.start(lab, label, [end(alice), end(bob)]);
}
