import { lchownSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { hitToAddress } from '../base/node-id.ts';
import { generateHostIdentity } from '../identity/host-identity.ts';
import { KeyStore } from '../identity/key-store.ts';
import { StateDirectory } from '../identity/state-directory.ts';

/**
 * The identity in the state directory, made where there is none.
 * @returns the HIT as an IPv6 address
 * @throws {IdlocError} for a directory or key that cannot be used
 */
export function makeIdentity(state: string): { address: string; made: boolean } {
  // Without the lock: a running agent has it, and shares its identity gladly.
  const kept = new KeyStore(StateDirectory.readOnly(state)).loadIdentity();
  if (kept !== undefined) return { address: hitToAddress(kept.hit), made: false };
  const directory = StateDirectory.open(state);
  try {
    const store = new KeyStore(directory);
    const raced = store.loadIdentity();
    const identity = raced ?? generateHostIdentity();
    if (raced === undefined) store.saveIdentity(identity);
    return { address: hitToAddress(identity.hit), made: raced === undefined };
  } finally {
    directory.close();
    giveToOwner(state);
  }
}

/** Made by root in the directory of the service's user: the service has to be able to read it. */
function giveToOwner(state: string): void {
  if (process.geteuid?.() !== 0) return;
  const { uid, gid } = statSync(state);
  if (uid === 0) return;
  for (const entry of readdirSync(state, { withFileTypes: true })) {
    if (entry.isFile()) lchownSync(join(state, entry.name), uid, gid);
  }
}
