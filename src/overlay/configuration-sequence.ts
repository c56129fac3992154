import { CONFIGURATION_SEQUENCE_ANY } from '../reload/index.ts';

/**
 * RFC 6940 s6.3.2.1: sequence numbers count modulo 65535 and compare "by modulo arithmetic as in TCP".
 * @returns below 0 when `a` is older than `b`, 0 when they are equal, above 0 when it is newer
 */
export function compareSequences(a: number, b: number): number {
  const distance = (a - b + CONFIGURATION_SEQUENCE_ANY) % CONFIGURATION_SEQUENCE_ANY;
  if (distance === 0) return 0;
  return distance < CONFIGURATION_SEQUENCE_ANY / 2 ? 1 : -1;
}

/** RFC 6940 s6.3.2.1: 65535 is reserved, so that 0 comes after 65534. */
export function nextSequence(sequence: number): number {
  return (sequence + 1) % CONFIGURATION_SEQUENCE_ANY;
}
