/**
 * A resolver that knows the records of one file, read anew for each question: `[{ "name", "type", "data" }, ...]` as dns-packet has them.
 *
 *     name-server.ts ADDRESS FILE
 */
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import dnsPacket, { type Answer } from 'dns-packet';

const [address = '::', file = ''] = process.argv.slice(2);
const NXDOMAIN = 3;

const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4', (bytes, { address: from, port }) => {
  const { id, questions = [] } = dnsPacket.decode(bytes);
  const records = JSON.parse(readFileSync(file, 'utf8')) as Answer[];
  const [question] = questions;
  const named = records.filter(({ name }) => name === question?.name.toLowerCase());
  const answers = named.filter(({ type }) => type === question?.type);
  const flags = dnsPacket.RECURSION_AVAILABLE | (named.length > 0 ? 0 : NXDOMAIN);
  socket.send(dnsPacket.encode({ type: 'response', id: id ?? 0, flags, questions, answers }), port, from);
});
socket.bind(53, address, () => process.stdout.write('ready\n'));
