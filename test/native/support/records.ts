const HEADER_BYTES = 13;
/** RFC 9146 s4: tls12_cid. Data planes draw connection IDs of eight bytes. */
export const CONNECTION_ID_RECORD = 25;
const CONNECTION_ID_BYTES = 8;
export const APPLICATION_DATA_RECORD = 23;

/** Of a record to a data plane; its last two bytes are the length of the rest. */
export function headerBytesOf(record: Uint8Array): number {
  return HEADER_BYTES + (record[0] === CONNECTION_ID_RECORD ? CONNECTION_ID_BYTES : 0);
}

/** The DTLS records of a datagram to a data plane. */
export function recordsOf(datagram: Uint8Array): Uint8Array[] {
  const records: Uint8Array[] = [];
  for (let at = 0; at < datagram.length;) {
    const header = headerBytesOf(datagram.subarray(at));
    const length = ((datagram[at + header - 2] ?? 0) << 8) | (datagram[at + header - 1] ?? 0);
    records.push(datagram.subarray(at, at + header + length));
    at += header + length;
  }
  return records;
}

export function epochOf(record: Uint8Array): number {
  return ((record[3] ?? 0) << 8) | (record[4] ?? 0);
}
