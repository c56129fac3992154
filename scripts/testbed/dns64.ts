/**
 * A resolver of an IPv6-only network: knows nothing but where NAT64 is (RFC 7050 s3).
 *
 *     dns64.ts ADDRESS PREFIX::/96
 */
import { createSocket } from 'node:dgram';
import dnsPacket from 'dns-packet';

const [address = '::', prefix = ''] = process.argv.slice(2);
const WELL_KNOWN_NAME = 'ipv4only.arpa';
/** 192.0.0.170 and 171 as the last two groups. */
const WELL_KNOWN_ADDRESSES = ['c000:aa', 'c000:ab'];

const socket = createSocket('udp6', (bytes, { address: from, port }) => {
  const { id, questions = [] } = dnsPacket.decode(bytes);
  const [question] = questions;
  const isKnown = question?.name.toLowerCase() === WELL_KNOWN_NAME;
  const answers =
    isKnown && question.type === 'AAAA'
      ? WELL_KNOWN_ADDRESSES.map((end) => ({
          ...{ type: 'AAAA' as const, name: question.name, ttl: 60 },
          data: prefix.replace('/96', end),
        }))
      : [];
  // RCODE 3: there is no such name.
  const flags = dnsPacket.RECURSION_AVAILABLE | (isKnown ? 0 : 3);
  socket.send(dnsPacket.encode({ type: 'response', id: id ?? 0, flags, questions, answers }), port, from);
});
socket.bind(53, address, () => process.stdout.write('ready\n'));
