import type { StoreRequest } from '../../reload/index.ts';
import type { SignedValue } from './admission.ts';
import type { Resource, ResourceStore } from './resource-store.ts';

/** A Store request with copies, and the certificates that prove them. */
export interface CopyRequest {
  readonly body: StoreRequest;
  readonly certificates: readonly Uint8Array[];
}

/** Forwarding header, security block with our certificate and its signature. */
const MESSAGE_OVERHEAD_BYTES = 1_600;
/** Around the bytes of a value: lengths, times, signature. */
const VALUE_OVERHEAD_BYTES = 160;

/** What came to a resource after `revision`, as Store requests with a replica number that each fit a message. */
export function copiesOf(
  store: ResourceStore,
  resource: Resource,
  revision: number,
  maxMessageBytes: number,
  now: number,
): CopyRequest[] {
  const out: CopyRequest[] = [];
  for (const { kind, generation } of resource.kinds) {
    for (const values of chunks(
      store.values(resource.id, kind.id, now, revision),
      maxMessageBytes - MESSAGE_OVERHEAD_BYTES,
    )) {
      const kindData = [{ kind: kind.id, generationCounter: generation, values: values.map(({ data }) => data) }];
      out.push({
        body: { type: 'store_req', resource: resource.id, replicaNumber: 1, kindData },
        certificates: values.flatMap(({ signer }) => signer.chain),
      });
    }
  }
  return out;
}

function chunks(values: readonly SignedValue[], maxBytes: number): SignedValue[][] {
  const out: SignedValue[][] = [];
  let chunk: SignedValue[] = [];
  let size = 0;
  for (const value of values) {
    const chain = value.signer.chain.reduce((sum, der) => sum + der.length + 3, 0);
    const bytes = value.data.value.value.length + VALUE_OVERHEAD_BYTES + chain;
    if (chunk.length > 0 && size + bytes > maxBytes) {
      out.push(chunk);
      chunk = [];
      size = 0;
    }
    chunk.push(value);
    size += bytes;
  }
  if (chunk.length > 0) out.push(chunk);
  return out;
}
