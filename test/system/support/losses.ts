import { messageOf } from '../../../src/base/errors.ts';
import { request } from '../../../src/control/client.ts';
import type { Namespace } from '../../../scripts/testbed/lab.ts';

/** Of the agent's counters those that say where a packet may have gone. */
const TELLING = /^(?:drop|lost|held|early|paths|packetsHeld|packetsReleased|recordsSentTwice|tunLost|udpSendErrors)/;
/** Of the kernel's (RFC 4113) those of datagrams that it threw away. */
const UDP_LOSSES = /^Udp6?(?:RcvbufErrors|SndbufErrors|InErrors|InCsumErrors|NoPorts|MemErrors)$/;
/** Of a line of /proc/net/dev, behind the name. */
const DEVICE_LOSSES = { 'bad received': 2, 'dropped received': 3, 'bad sent': 10, 'dropped sent': 11 } as const;

/** A machine that packets went through. */
export interface Host {
  readonly name: string;
  readonly namespace: Namespace;
  /** The control socket of its agent; absent: it has none. */
  readonly socket?: string | undefined;
}

/** What an agent and the kernel under it threw away or kept for a while so far, in two lines. Never throws. */
export async function lossesAt({ name, namespace, socket }: Host): Promise<string[]> {
  const said = async (found: Promise<string[]>): Promise<string> => {
    const words = await found.catch((error: unknown) => [messageOf(error)]);
    return words.join(', ') || 'nothing';
  };
  return [
    ...(socket === undefined ? [] : [`${name}, agent: ${await said(agentLosses(socket))}`]),
    `${name}, kernel: ${await said(kernelLosses(namespace))}`,
  ];
}

async function agentLosses(socket: string): Promise<string[]> {
  const counters = Object.entries(await request(socket, 'counters', {}));
  return counters.filter(([name, value]) => value > 0 && TELLING.test(name)).map((counter) => counter.join(' '));
}

async function kernelLosses(namespace: Namespace): Promise<string[]> {
  const lines = async (file: string): Promise<string[][]> => {
    const text = await namespace.run('cat', [`/proc/net/${file}`]);
    return text.split('\n').map((line) => line.trim().split(/\s+/));
  };
  const found: [name: string, value: string | undefined][] = [];
  for (const [device = '', ...values] of await lines('dev'))
    if (device.endsWith(':'))
      for (const [what, column] of Object.entries(DEVICE_LOSSES)) found.push([`${device} ${what}`, values[column]]);
  const [names, values] = (await lines('snmp')).filter(([first]) => first === 'Udp:');
  const udp = [...(names ?? []).map((name, i) => [`Udp${name}`, values?.[i]] as const), ...(await lines('snmp6'))];
  for (const [name = '', value] of udp) if (UDP_LOSSES.test(name)) found.push([name, value]);
  return found.filter(([, value]) => Number(value) > 0).map((counter) => counter.join(' '));
}
