import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { command, ScriptError } from '../../../scripts/testbed/command.ts';

const SUITE = 'bookworm';
/** systemd as the service manager, resolved and iproute2 as an ordinary host has them, what node needs. */
const PACKAGES = ['systemd', 'systemd-sysv', 'systemd-resolved', 'dbus', 'iproute2', 'libstdc++6'];
const CACHE = join(import.meta.dirname, '../../../.cache');
const FALLBACK_MIRROR = 'http://deb.debian.org/debian';
/** A slow mirror; from a near one it takes half a minute. */
const DEBOOTSTRAP_TIMEOUT_MS = 240_000;

/** A Debian 12 root of its own, made once per checkout from the machine's own package source. To be copied, not used. */
export async function debianRoot(): Promise<string> {
  const root = join(CACHE, `debian-${SUITE}`);
  if (existsSync(root)) return root;
  mkdirSync(CACHE, { recursive: true });
  const building = mkdtempSync(join(CACHE, 'building-'));
  try {
    const made = join(building, 'root');
    await command(
      'debootstrap',
      ['--variant=minbase', `--include=${PACKAGES.join(',')}`, SUITE, made, aptMirror('/etc/apt')],
      { timeoutMs: DEBOOTSTRAP_TIMEOUT_MS },
    );
    // Empty: each boot makes one up, without the questions of a first boot (machine-id(5)).
    writeFileSync(join(made, 'etc/machine-id'), '');
    try {
      renameSync(made, root);
    } catch (error) {
      // Another run was faster.
      if (!existsSync(root)) throw new ScriptError(`cannot keep ${root}`, { cause: error });
    }
  } finally {
    rmSync(building, { recursive: true, force: true });
  }
  return root;
}

/** The archive that apt of this machine takes the suite from: one-line and deb822 style (sources.list(5)). */
function aptMirror(folder: string): string {
  const parts = join(folder, 'sources.list.d');
  const lists = [
    join(folder, 'sources.list'),
    ...(existsSync(parts) ? readdirSync(parts).map((name) => join(parts, name)) : []),
  ];
  for (const path of lists.filter((name) => existsSync(name))) {
    const text = readFileSync(path, 'utf8').replaceAll(/^\s*#.*$/gm, '');
    const line = new RegExp(`^deb\\s+(?:\\[[^\\]]*\\]\\s+)?(https?://\\S+)\\s+${SUITE}\\s.*\\bmain\\b`, 'm').exec(text);
    if (line?.[1] !== undefined) return line[1];
    for (const stanza of text.split(/\n\s*\n/)) {
      const field = (name: string): string[] =>
        new RegExp(`^${name}:(.*)$`, 'im').exec(stanza)?.[1]?.trim().split(/\s+/) ?? [];
      const [mirror] = field('URIs').filter((uri) => /^https?:/.test(uri));
      if (mirror !== undefined && field('Suites').includes(SUITE) && field('Components').includes('main'))
        return mirror;
    }
  }
  return FALLBACK_MIRROR;
}
