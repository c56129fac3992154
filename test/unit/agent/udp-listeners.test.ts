import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import test from 'ava';
import { readUdpTables, udpListener } from '../../../src/agent/udp-listeners.ts';

const HEAD =
  '   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n';
const line = (local: string, remote: string): string =>
  `  123: ${local} ${remote} 07 00000000:00000000 00:00000000 00000000     0        0 4711 2 0000000000000000 0\n`;
const v4 = (address: string, port: string): string => line(`${address}:${port}`, '00000000:0000');
const v6 = (address: string, port: string): string => line(`${address}:${port}`, `${'0'.repeat(32)}:0000`);
const OWN = { ipv6: '2001:20::1', ipv4: '198.18.0.1' };
const PORT = 5_060;

test('who listens at one of the addresses, or at all of its family, is found there, over IPv4 first', (t) => {
  const none = { 4: HEAD, 6: HEAD };
  t.is(udpListener(none, OWN, PORT), undefined);
  t.is(udpListener({ ...none, 4: HEAD + v4('010012C6', '13C4') }, OWN, PORT), OWN.ipv4);
  t.is(udpListener({ ...none, 4: HEAD + v4('00000000', '13C4') }, OWN, PORT), OWN.ipv4);
  t.is(udpListener({ ...none, 6: HEAD + v6('20000120000000000000000001000000', '13C4') }, OWN, PORT), OWN.ipv6);
  t.is(udpListener({ ...none, 6: HEAD + v6('0'.repeat(32), '13C4') }, OWN, PORT), OWN.ipv6);
  t.is(udpListener({ 4: HEAD + v4('00000000', '13C4'), 6: HEAD }, { ...OWN, ipv4: undefined }, PORT), undefined);
});

test('another port, another address, and who only sends there is nobody', (t) => {
  const others = HEAD + v4('00000000', '13C5') + v4('0201A8C0', '13C4') + line('0100007F:9999', '010012C6:13C4');
  t.is(udpListener({ 4: others, 6: HEAD + v6('0'.repeat(32), '23C4') }, OWN, PORT), undefined);
  t.is(udpListener({ 4: '', 6: 'garbage\n\n' }, OWN, PORT), undefined);
});

test('a socket of this machine is found in the tables of its kernel', async (t) => {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  t.teardown(() => socket.close());
  const { port } = socket.address();
  t.is(udpListener(readUdpTables(), { ipv6: '2001:20::1', ipv4: '127.0.0.1' }, port), '127.0.0.1');
  t.is(udpListener(readUdpTables(), { ipv6: '2001:20::1', ipv4: '127.0.0.2' }, port), undefined);
});
