import { Agent } from './agent.ts';
import type { Lab, Namespace } from './lab.ts';
import { answersPing } from './load.ts';
import { wireguardTunnel } from './wireguard.ts';

/** A way from one namespace to another whose speed is measured. Each has two namespaces and a cable of its own. */
export interface Contender {
  /** As in the names of the figures. */
  readonly who: string;
  readonly from: Namespace;
  readonly to: Namespace;
  /** Of `to`. */
  readonly ipv6: string;
  readonly ipv4: string;
  /** Of the process that carries packets at `from`; absent: the kernel. */
  readonly pid?: number;
}

interface CabledPair {
  readonly a: Namespace;
  readonly b: Namespace;
}

const UNDERLAY = { a: '192.0.2.1', b: '192.0.2.2' } as const;

async function cabledPair(lab: Lab, name: string): Promise<CabledPair> {
  const a = await lab.namespace(`${name}-a`);
  const b = await lab.namespace(`${name}-b`);
  await lab.cable(a, 'eth0', b, 'eth0');
  await a.ip('address', 'add', `${UNDERLAY.a}/24`, 'dev', 'eth0');
  await b.ip('address', 'add', `${UNDERLAY.b}/24`, 'dev', 'eth0');
  await a.ip('link', 'set', 'eth0', 'up');
  await b.ip('link', 'set', 'eth0', 'up');
  await a.carrier('eth0');
  return { a, b };
}

export async function rawContender(lab: Lab): Promise<Contender> {
  const { a, b } = await cabledPair(lab, 'raw');
  await a.ip('address', 'add', '2001:db8::1/64', 'dev', 'eth0', 'nodad');
  await b.ip('address', 'add', '2001:db8::2/64', 'dev', 'eth0', 'nodad');
  const contender = { who: 'raw', from: a, to: b, ipv6: '2001:db8::2', ipv4: UNDERLAY.b };
  await answersPing(a, contender.ipv6);
  return contender;
}

export async function wireguardContender(lab: Lab, who: string, binary: string): Promise<Contender> {
  const { a, b } = await cabledPair(lab, who);
  await wireguardTunnel(
    lab,
    binary,
    { namespace: a, underlay: UNDERLAY.a, addresses: ['198.51.100.1/24', '2001:db8:1::1/64'] },
    { namespace: b, underlay: UNDERLAY.b, addresses: ['198.51.100.2/24', '2001:db8:1::2/64'] },
  );
  await answersPing(a, '2001:db8:1::2');
  return { who, from: a, to: b, ipv6: '2001:db8:1::2', ipv4: '198.51.100.2' };
}

export async function idlocContender(lab: Lab): Promise<Contender> {
  const { a, b } = await cabledPair(lab, 'idloc');
  const one = await Agent.start(lab, { namespace: a, name: 'one', overlay: { create: 'bench.example' } });
  const ticket = await one.invite();
  const two = await Agent.start(lab, { namespace: b, name: 'two', overlay: { join: ticket } });
  const status = await two.status();
  await answersPing(a, status.hit);
  return { who: 'idloc', from: a, to: b, ipv6: status.hit, ipv4: status.ipv4 ?? '', pid: one.process.pid };
}

/** raw, idloc, Debian's wireguard-go, and a newer one when the environment names it. */
export async function contenders(lab: Lab, onProgress: (text: string) => void): Promise<Contender[]> {
  onProgress('raw: a veth pair');
  const all = [await rawContender(lab)];
  onProgress('idloc: two agents');
  all.push(await idlocContender(lab));
  onProgress('wireguard-go: of Debian');
  all.push(await wireguardContender(lab, 'wireguard-go', 'wireguard-go'));
  const newer = process.env.IDLOC_BENCH_WIREGUARD_GO;
  if (newer !== undefined && newer !== '') {
    onProgress(`wireguard-go-new: ${newer}`);
    all.push(await wireguardContender(lab, 'wireguard-go-new', newer));
  }
  return all;
}
