import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ScriptError, tryCommand, lastLine } from '../command.ts';
import { cacheFolder } from '../cache.ts';

/** Pins the version, and by go.sum what comes with it. */
const MODULE = join(import.meta.dirname, '../wireguard-go');
const PACKAGE = 'golang.zx2c4.com/wireguard';
const BUILD_TIMEOUT_MS = 300_000;

/** The version that a go.mod requires. @throws {ScriptError} when it requires none */
export function requiredVersion(goMod: string, module: string): string {
  for (const line of goMod.split('\n')) {
    const [name, version] = line
      .replace(/^require\s+/, '')
      .trim()
      .split(/\s+/);
    if (name === module && version?.startsWith('v') === true) return version;
  }
  throw new ScriptError(`go.mod does not say which version of ${module}`);
}

/**
 * Today's wireguard-go, built once for each version.
 * @returns path of the program
 * @throws {ScriptError} without Go, or when it does not build
 */
export async function builtWireguardGo(): Promise<string> {
  const version = requiredVersion(readFileSync(join(MODULE, 'go.mod'), 'utf8'), PACKAGE);
  const binary = join(cacheFolder(), `wireguard-go-${version}`);
  if (existsSync(binary)) return binary;
  mkdirSync(dirname(binary), { recursive: true });
  const made = `${binary}.${process.pid}`;
  const { status, stderr } = await tryCommand('go', ['build', '-C', MODULE, '-trimpath', '-o', made, PACKAGE], {
    timeoutMs: BUILD_TIMEOUT_MS,
    environment: { CGO_ENABLED: '0' },
  });
  if (status !== 0)
    throw new ScriptError(`${PACKAGE} ${version} does not build: ${lastLine(stderr) || 'it takes too long'}`);
  renameSync(made, binary);
  return binary;
}
