import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';

/** BEP 5 has no encryption: who announces itself under a key shows its address to the nodes that keep the key. */
export const PUBLISHED =
  'Their IP addresses and ports are published\nthere unencrypted, under a key that does not tell the overlay.';
const QUESTION =
  `Shall members also meet through BitTorrent's public DHT, for hosts behind NATs? ${PUBLISHED} ` +
  '`idloc overlay` changes it later. [y/N] ';

/** What a new overlay's creator answers. @returns undefined: nothing, so that the agent's configuration decides. */
export async function askRendezvous(terminal: {
  readonly input: Readable;
  readonly output: Writable;
}): Promise<'none' | 'mainline' | undefined> {
  const { input, output } = terminal;
  output.write(QUESTION);
  const lines = createInterface({ input });
  try {
    for await (const line of lines) {
      const answer = line.trim().toLowerCase();
      if (answer === '') return undefined;
      if (answer === 'y' || answer === 'yes') return 'mainline';
      if (answer === 'n' || answer === 'no') return 'none';
      output.write('yes or no? [y/N] ');
    }
  } finally {
    lines.close();
  }
  output.write('\n');
  return undefined;
}
