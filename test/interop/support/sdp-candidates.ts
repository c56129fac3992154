import type { Candidate } from '../../../src/base/candidate.ts';

/** As the foreign programs speak them: candidates in the words of SDP (RFC 8839 s5.1). */
export interface SdpParameters {
  readonly ufrag: string;
  readonly pwd: string;
  readonly candidates: readonly string[];
}

export function formatCandidate({ foundation, priority, address, type }: Candidate): string {
  return `candidate:${foundation} 1 udp ${priority} ${address.address} ${address.port} typ ${type}`;
}

/** @returns undefined: no candidate over UDP of component 1. */
export function parseCandidate(text: string): Candidate | undefined {
  const [foundation = '', component, transport, priority, address = '', port, , type] = text
    .replace(/^candidate:/, '')
    .split(' ');
  if (component !== '1' || transport?.toLowerCase() !== 'udp') return undefined;
  if (type !== 'host' && type !== 'srflx' && type !== 'prflx' && type !== 'relay') return undefined;
  return { foundation, priority: Number(priority), address: { address, port: Number(port) }, type };
}
