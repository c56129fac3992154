import { createHmac } from 'node:crypto';
import { toHex } from '../base/bytes.ts';
import type { Candidate, IceParameters } from '../base/candidate.ts';

/** Names the association that the sender still holds for the receiver; absent: it holds none. */
export const ASSOCIATION_EXTENSION = 'idloc-assoc';

export interface StunCredentials {
  readonly ufrag: string;
  readonly pwd: string;
}

/** What both ends of a DTLS association know and no one else, made from its exporter by a one-way function. */
export interface AssociationSecrets {
  /** 16 hexadecimal digits. It is told to the overlay, so it tells nothing about the others. */
  readonly id: string;
  /** STUN credentials of each end of a link without negotiated ones (RFC 6940 s6.6.6 has none). */
  readonly client: StunCredentials;
  readonly server: StunCredentials;
  /** Of either end at the other one, where that is a TURN server (RFC 8489 s9.2): the user is the HIT. */
  readonly turnPassword: string;
}

/** @param exporter 32 bytes of the `connected` event. */
export function deriveSecrets(exporter: Uint8Array): AssociationSecrets {
  const derive = (label: string, digits: number): string =>
    // Of as many bytes: a part of a longer text would keep all of it in memory.
    toHex(
      createHmac('sha256', exporter)
        .update(label)
        .digest()
        .subarray(0, digits / 2),
    );
  const credentials = (end: string): StunCredentials => ({
    ufrag: derive(`idloc ${end} ufrag`, 16),
    // RFC 8445 s5.3: at least 128 bits of randomness.
    pwd: derive(`idloc ${end} pwd`, 48),
  });
  return {
    id: derive('idloc association', 16),
    client: credentials('client'),
    server: credentials('server'),
    turnPassword: derive('idloc turn', 48),
  };
}

/** Our parameters with the name of the association we hold, on the first candidate (there may be none). */
export function nameAssociation(parameters: IceParameters, id: string): IceParameters {
  const [first, ...others] = parameters.candidates;
  if (first === undefined) return parameters;
  const named: Candidate = {
    ...first,
    extensions: [...(first.extensions ?? []), { name: ASSOCIATION_EXTENSION, value: id }],
  };
  return { ...parameters, candidates: [named, ...others] };
}

/** @returns undefined when the sender holds no association with us. */
export function namedAssociation({ candidates }: IceParameters): string | undefined {
  for (const { extensions } of candidates)
    for (const { name, value } of extensions ?? []) if (name === ASSOCIATION_EXTENSION) return value;
  return undefined;
}
