import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { command } from '../command.ts';
import type { Lab } from '../lab.ts';
import { INNER, INNER_IPV6_PREFIX_LENGTH, UNDERLAY, cabledPair, carries } from './contender.ts';
import type { Contender } from './contender.ts';

const PORT = 1194;
const START_TIMEOUT_MS = 10_000;

/** Two ends over UDP that know each other's certificate (2.6), in user space, as they come otherwise. @param binary path or name */
export async function openvpnContender(lab: Lab, who: string, binary: string): Promise<Contender> {
  const { a, b } = await cabledPair(lab, who);
  const folder = lab.folder(who);
  const made = { a: await certificate(folder, 'a'), b: await certificate(folder, 'b') };
  const settings = (name: 'a' | 'b', other: 'a' | 'b'): string[] => [
    ...['--dev', 'tun0', '--proto', 'udp4', '--dh', 'none', '--verb', '1', '--disable-dco'],
    ...['--cert', made[name].file, '--key', made[name].keyFile, '--peer-fingerprint', made[other].fingerprint],
    ...['--ifconfig', INNER[name].ipv4, INNER[other].ipv4],
    ...['--ifconfig-ipv6', `${INNER[name].ipv6}/${INNER_IPV6_PREFIX_LENGTH}`, INNER[other].ipv6],
  ];
  const server = b.start(binary, [...settings('b', 'a'), '--tls-server', '--port', String(PORT)]);
  const remote = ['--remote', UNDERLAY.b, String(PORT), '--nobind'];
  await server.waitFor(/UDPv4 link/, START_TIMEOUT_MS);
  const processes = [server, a.start(binary, [...settings('a', 'b'), '--tls-client', ...remote])];
  await carries(a, INNER.b.ipv6, processes);
  return { who, from: a, to: b, ipv6: INNER.b.ipv6, ipv4: INNER.b.ipv4, processes };
}

interface Certificate {
  readonly file: string;
  readonly keyFile: string;
  readonly fingerprint: string;
}

async function certificate(folder: string, name: string): Promise<Certificate> {
  const file = join(folder, `${name}.crt`);
  const keyFile = join(folder, `${name}.key`);
  await command('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
    ...['-subj', `/CN=${name}`, '-keyout', keyFile, '-out', file],
  ]);
  return { file, keyFile, fingerprint: new X509Certificate(readFileSync(file)).fingerprint256 };
}
