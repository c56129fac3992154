import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { command } from '../command.ts';
import type { BackgroundProcess } from '../command.ts';
import type { Lab, Namespace } from '../lab.ts';
import { INNER, INNER_IPV4_PREFIX_LENGTH, bothCarry, cabledPair } from './contender.ts';
import type { CabledPair, Contender } from './contender.ts';

const PORT = 4242;

/**
 * A host and a lighthouse, b, or two hosts and a third that is one; everything allowed, as it comes otherwise. IPv4 only.
 * @param binary path or name; nebula-cert is beside it
 */
export async function nebulaContender(lab: Lab, who: string, binary: string, given?: CabledPair): Promise<Contender> {
  const pair = given ?? (await cabledPair(lab, who));
  const { a, b, third, underlay } = pair;
  const certificates = binary.includes('/') ? join(dirname(binary), 'nebula-cert') : 'nebula-cert';
  const folder = lab.folder(who);
  const authority = ['ca.crt', 'ca.key'].map((name) => join(folder, name));
  const [certificate = '', key = ''] = authority;
  await command(certificates, ['ca', '-name', 'bench', '-out-crt', certificate, '-out-key', key]);
  const lighthouse: Lighthouse =
    third === undefined ? { name: 'b', address: underlay.b } : { name: 'c', address: third.address };
  const start = async (namespace: Namespace, name: Name): Promise<BackgroundProcess> => {
    const own = [join(folder, `${name}.crt`), join(folder, `${name}.key`)] as const;
    await command(certificates, [
      ...['sign', '-ca-crt', certificate, '-ca-key', key, '-name', name],
      ...['-ip', `${INNER[name].ipv4}/${INNER_IPV4_PREFIX_LENGTH}`, '-out-crt', own[0], '-out-key', own[1]],
    ]);
    const file = join(folder, `${name}.yml`);
    writeFileSync(file, configuration(certificate, own[0], own[1], name, lighthouse), { mode: 0o600 });
    return namespace.start(binary, ['-config', file]);
  };
  const processes = third === undefined ? [] : [await start(third.namespace, 'c')];
  processes.push(await start(b, 'b'), await start(a, 'a'));
  await bothCarry(pair, { a: INNER.a.ipv4, b: INNER.b.ipv4 }, processes);
  return { who, from: a, to: b, ipv6: null, ipv4: INNER.b.ipv4, processes };
}

type Name = keyof typeof INNER;

interface Lighthouse {
  readonly name: Name;
  readonly address: string;
}

/** YAML, as JSON is. */
function configuration(
  authority: string,
  certificate: string,
  key: string,
  name: Name,
  lighthouse: Lighthouse,
): string {
  const anyone = [{ port: 'any', proto: 'any', host: 'any' }];
  const isLighthouse = name === lighthouse.name;
  const { ipv4 } = INNER[lighthouse.name];
  return JSON.stringify({
    pki: { ca: authority, cert: certificate, key },
    static_host_map: isLighthouse ? {} : { [ipv4]: [`${lighthouse.address}:${PORT}`] },
    lighthouse: { am_lighthouse: isLighthouse, hosts: isLighthouse ? [] : [ipv4] },
    // Its example's advice for hosts behind NATs, which a third one is for.
    ...(lighthouse.name === 'c' ? { punchy: { punch: true, respond: true } } : {}),
    listen: { host: '0.0.0.0', port: PORT },
    tun: { dev: 'nebula0' },
    firewall: { outbound: anyone, inbound: anyone },
    logging: { level: 'warning', format: 'text' },
  });
}
