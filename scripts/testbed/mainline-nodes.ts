import { Client } from 'bittorrent-dht';

// A BitTorrent DHT of nodes of that library, on one address: `mainline-nodes.ts ADDRESS FIRST_PORT COUNT`. Prints a line when all
// have found each other, and runs until it is ended.

export interface MainlineNetwork {
  /** `host:port` of one node each. */
  readonly nodes: readonly string[];
  stop(): Promise<void>;
}

/** Ports FIRST_PORT and up; 0: any. */
export async function startMainlineNetwork(
  address: string,
  firstPort: number,
  count: number,
): Promise<MainlineNetwork> {
  const clients: Client[] = [];
  const nodes: string[] = [];
  for (let i = 0; i < count; i++) {
    const client = new Client({ bootstrap: nodes.length === 0 ? false : nodes.slice(0, 3), timeout: 500 });
    // Queries of hosts that have gone in the meantime.
    client.on('warning', () => undefined);
    const ready = new Promise<void>((resolve) => client.on('ready', () => resolve()));
    await new Promise<void>((resolve) => client.listen(firstPort === 0 ? 0 : firstPort + i, address, resolve));
    await ready;
    clients.push(client);
    nodes.push(`${address}:${client.address().port}`);
  }
  const stop = async (): Promise<void> => {
    await Promise.all(clients.map((client) => new Promise<void>((resolve) => client.destroy(resolve))));
  };
  return { nodes, stop };
}

if (import.meta.main) {
  const [address = '127.0.0.1', firstPort = '6881', count = '20'] = process.argv.slice(2);
  const { nodes } = await startMainlineNetwork(address, Number(firstPort), Number(count));
  console.log(`ready ${nodes.join(' ')}`);
}
