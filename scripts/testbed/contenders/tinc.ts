import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../command.ts';
import type { BackgroundProcess } from '../command.ts';
import type { Lab, Namespace } from '../lab.ts';
import { INNER, INNER_IPV4_PREFIX_LENGTH, INNER_IPV6_PREFIX_LENGTH, bothCarry, cabledPair } from './contender.ts';
import type { CabledPair, Contender } from './contender.ts';

const INTERFACE = 'tinc0';
const START_TIMEOUT_MS = 10_000;

/** Two nodes in router mode, and a third that both connect to where they need one, as they come otherwise. @param binary path or name of tincd */
export async function tincContender(lab: Lab, who: string, binary: string, given?: CabledPair): Promise<Contender> {
  const pair = given ?? (await cabledPair(lab, who));
  const { a, b, third } = pair;
  const keys = { a: keyPair(), b: keyPair(), c: keyPair() };
  const underlay = third === undefined ? { ...pair.underlay, c: null } : { a: null, b: null, c: third.address };
  const host = (name: Name): string =>
    [
      ...(underlay[name] === null ? [] : [`Address = ${underlay[name]}`]),
      `Subnet = ${INNER[name].ipv4}/32`,
      `Subnet = ${INNER[name].ipv6}/128`,
      keys[name].publicKey,
    ].join('\n');
  const start = async (namespace: Namespace, name: Name): Promise<BackgroundProcess> => {
    const folder = lab.folder(`${who}-${name}`);
    mkdirSync(join(folder, 'hosts'));
    for (const each of ['a', 'b', 'c'] as const) writeFileSync(join(folder, 'hosts', each), host(each));
    writeFileSync(join(folder, 'rsa_key.priv'), keys[name].privateKey, { mode: 0o600 });
    const reached = third === undefined ? 'b' : 'c';
    const connect = name === reached ? [] : [`ConnectTo = ${reached}`];
    const settings = [`Name = ${name}`, `Interface = ${INTERFACE}`, 'AddressFamily = ipv4', ...connect];
    writeFileSync(join(folder, 'tinc.conf'), `${settings.join('\n')}\n`);
    const tincd = namespace.start(binary, ['-c', folder, '-D', `--pidfile=${join(folder, 'pid')}`]);
    await eventually(`${binary} makes its interface`, START_TIMEOUT_MS, async () =>
      (await namespace.ip('-brief', 'link')).includes(INTERFACE) ? true : undefined,
    );
    const { ipv4, ipv6 } = INNER[name];
    await namespace.ip('address', 'add', `${ipv4}/${INNER_IPV4_PREFIX_LENGTH}`, 'dev', INTERFACE);
    await namespace.ip('address', 'add', `${ipv6}/${INNER_IPV6_PREFIX_LENGTH}`, 'dev', INTERFACE, 'nodad');
    await namespace.ip('link', 'set', INTERFACE, 'up');
    return tincd;
  };
  const processes = third === undefined ? [] : [await start(third.namespace, 'c')];
  processes.push(await start(b, 'b'), await start(a, 'a'));
  await bothCarry(pair, { a: INNER.a.ipv6, b: INNER.b.ipv6 }, processes);
  return { who, from: a, to: b, ipv6: INNER.b.ipv6, ipv4: INNER.b.ipv4, processes };
}

type Name = keyof typeof INNER;

function keyPair(): { readonly publicKey: string; readonly privateKey: string } {
  return generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'pkcs1', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
  });
}
