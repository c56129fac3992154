import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { messageOf } from '../../../src/base/errors.ts';
import { type Agent, TUN_NAME } from '../../../scripts/testbed/agent.ts';
import { Capture } from '../../../scripts/testbed/capture.ts';
import type { Lab, Namespace } from '../../../scripts/testbed/lab.ts';
import { type RtpPacket, rtpPackets } from '../../../scripts/testbed/rtp-stream.ts';
import { lossesAt } from './losses.ts';

/** DTLS header, or STUN header with what follows: enough to know a datagram again behind a NAT. */
const KNOWN_BY_BYTES = 26;

/** One end of a call: a host, or a namespace whose interface plays the overlay's. */
export interface CallEnd {
  readonly name: string;
  readonly namespace: Namespace;
  readonly agent?: Agent;
  /** What its phone sends from; absent: the agent's. */
  readonly addresses?: readonly string[];
  /** Carries the agent's datagrams; absent: none does. */
  readonly uplink?: string;
}

interface Watched {
  readonly end: CallEnd;
  readonly overlay: Capture;
  readonly uplink: Capture | undefined;
}

/** What goes in and comes out at both ends of a call, so that a lost packet tells where it was lost. */
export class CallWatch {
  private readonly label: string;
  private readonly ends: readonly [Watched, Watched];

  private constructor(label: string, ends: readonly [Watched, Watched]) {
    this.label = label;
    this.ends = ends;
  }

  static async start(lab: Lab, label: string, [one, other]: readonly [CallEnd, CallEnd]): Promise<CallWatch> {
    const watch = async (end: CallEnd): Promise<Watched> => {
      const { name, namespace, uplink } = end;
      const file = (what: string): string => join(lab.directory, `${label}-${name}-${what}.pcapng`);
      return {
        end,
        overlay: await Capture.start(namespace, TUN_NAME, file('overlay'), 'udp or icmp or icmp6'),
        uplink: uplink === undefined ? undefined : await Capture.start(namespace, uplink, file('uplink'), 'udp'),
      };
    };
    return new CallWatch(label, [await watch(one), await watch(other)]);
  }

  /** After the call: both phones spoke, each at least so many packets, and every one of them came to the other end. */
  async nothingLost(t: ExecutionContext, leastSent: number): Promise<void> {
    const [one, other] = this.ends;
    for (const [from, to] of [
      [one, other],
      [other, one],
    ] as const) {
      const own = await addressesOf(from.end);
      const spoken = (packets: RtpPacket[]): RtpPacket[] => packets.filter(({ source }) => own.includes(source));
      const [sent, arrived] = [spoken(await rtpPackets(from.overlay)), spoken(await rtpPackets(to.overlay))];
      const key = ({ ssrc, sequence, timestamp }: RtpPacket): string => `${ssrc}/${sequence}/${timestamp}`;
      const there = new Set(arrived.map(key));
      const way = `${this.label}: ${from.end.name} to ${to.end.name}`;
      const missing = sent.flatMap((packet, index) =>
        there.has(key(packet)) ? [] : [`number ${index} (sequence ${packet.sequence}, at ${packet.at.toFixed(6)})`],
      );
      if (missing.length > 0 || sent.length < leastSent)
        t.log(
          [
            `${way}: of ${sent.length} packets that entered ${TUN_NAME}, missing where ${to.end.name} receives:`,
            ...missing,
            ...(await this.evidence().catch((error: unknown) => [messageOf(error)])),
          ].join('\n'),
        );
      t.true(sent.length >= leastSent, `${way}: ${sent.length} sent`);
      t.deepEqual(missing, [], `${way}: of ${sent.length}, and ${arrived.length} arrived`);
    }
  }

  private async evidence(): Promise<string[]> {
    const [one, other] = this.ends;
    return [
      ...(await this.lostOnTheWay(one, other)),
      ...(await this.lostOnTheWay(other, one)),
      ...(await Promise.all(this.ends.map(evidenceAt))).flat(),
    ];
  }

  /** Datagrams that left one host for the other, and did not come to it. */
  private async lostOnTheWay(from: Watched, to: Watched): Promise<string[]> {
    if (from.uplink === undefined || to.uplink === undefined) return [];
    const names = ['frame.time_epoch', 'ip.dst', 'udp.payload'];
    const arrived = await to.uplink.fields('udp', names);
    const all = arrived.map((row) => row['udp.payload'] ?? '').join(' ');
    const own = await addressesOn(from.end);
    const left = (await from.uplink.fields('udp', names)).filter((row) => !own.includes(row['ip.dst'] ?? ''));
    const towards = new Set(left.filter((row) => all.includes(beginningOf(row))).map((row) => row['ip.dst']));
    // Of the time in which both captures ran.
    const [first = Infinity, last = -Infinity] = [arrived.at(0), arrived.at(-1)].map((row) => row && timeOf(row));
    const lost = left.filter(
      (row) =>
        towards.has(row['ip.dst']) && timeOf(row) >= first && timeOf(row) <= last && !all.includes(beginningOf(row)),
    );
    return [
      `${from.end.name}'s uplink to ${to.end.name}'s: ${lost.length} datagrams did not arrive`,
      ...lost.map((row) => `  at ${row['frame.time_epoch'] ?? ''} to ${row['ip.dst'] ?? ''}: ${beginningOf(row)}`),
    ];
  }
}

/** IPv4, of its uplink. */
async function addressesOn({ namespace, uplink = '' }: CallEnd): Promise<string[]> {
  const text = await namespace.ip('-brief', '-4', 'address', 'show', 'dev', uplink);
  return [...text.matchAll(/([\d.]+)\/\d+/g)].map(([, address = '']) => address);
}

function timeOf(row: Record<string, string>): number {
  return Number(row['frame.time_epoch']);
}

function beginningOf(row: Record<string, string>): string {
  return (row['udp.payload'] ?? '').slice(0, 2 * KNOWN_BY_BYTES);
}

async function addressesOf({ agent, addresses }: CallEnd): Promise<readonly string[]> {
  if (addresses !== undefined || agent === undefined) return addresses ?? [];
  const { hit, ipv4 } = await agent.status();
  return ipv4 === null ? [hit] : [hit, ipv4];
}

async function evidenceAt({ end, overlay, uplink }: Watched): Promise<string[]> {
  const { name, namespace, agent } = end;
  const errors = await overlay.fields('(icmp && icmp.type != 8 && icmp.type != 0) || (icmpv6 && icmpv6.type < 128)', [
    'frame.number',
  ]);
  return [
    ...(await lossesAt({ name, namespace, socket: agent?.socket })),
    `${name}, ICMP errors on ${TUN_NAME}: ${errors.length}`,
    ...[overlay, uplink].flatMap((capture) => (capture === undefined ? [] : [`${name}, ${capture.lastWords()}`])),
  ];
}
