import { mkdirSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Agent } from '../agent.ts';
import type { Lab, Namespace } from '../lab.ts';
import { useResolver } from '../nat64.ts';
import { speechLike, writeWav } from '../speech.ts';
import type { PhonePlace, Speech } from './lab-phone.ts';

const SPEECH_S = 40;
const SEED = 6940;
const NETNS_FOLDER = '/etc/netns';

/** Phones beside an agent ask its DNS stub, as on any host that it was installed on. */
export async function settle(lab: Lab, namespace: Namespace, agent: Agent): Promise<void> {
  useResolver(lab, namespace, (await agent.status()).dns?.listen.replace(/:\d+$/, '') ?? '');
  nameItself(lab, namespace.name);
}

/** @param folder of this phone, in the lab's */
export async function placeBeside(
  lab: Lab,
  options: { readonly agent: Agent; readonly namespace: Namespace; readonly domain: string; readonly folder: string },
): Promise<PhonePlace> {
  const { agent, namespace, domain, folder } = options;
  const { hit, ipv4, dns } = await agent.status();
  return {
    namespace,
    directory: lab.folder(folder),
    user: agent.name,
    domain,
    nameserver: dns?.listen ?? '',
    ipv6: hit,
    ipv4: ipv4 ?? '',
    speech: speechFiles(lab),
  };
}

const written = new WeakMap<Lab, Speech>();

function speechFiles(lab: Lab): Speech {
  const former = written.get(lab);
  if (former !== undefined) return former;
  const file = (name: string): string => join(lab.directory, name);
  const files = { wideband: file('speech.wav'), mono: file('mono.wav'), pcmu: file('speech.pcmu') };
  const samples = speechLike(SPEECH_S, SEED);
  writeWav(files.wideband, samples);
  writeWav(files.mono, samples, 1);
  // A square wave of 500 Hz, ITU-T G.711.
  writeFileSync(
    files.pcmu,
    Buffer.alloc(SPEECH_S * 8_000).map((_, at) => (at % 16 < 8 ? 0x90 : 0x10)),
  );
  written.set(lab, files);
  return files;
}

/** Its own name leads to addresses of both families, as on any machine: without, PJSIP waits for the DNS, which the lab's internet has none of. */
export function nameItself(lab: Lab, namespace: string): void {
  const folder = join(NETNS_FOLDER, namespace);
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'hosts');
  writeFileSync(file, ['127.0.0.1', '::1'].map((address) => `${address} localhost ${hostname()}\n`).join(''));
  lab.removeAtClose(file);
}
