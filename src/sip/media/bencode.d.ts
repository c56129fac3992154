// What is used of bencode 4, which brings no types.
declare module 'bencode' {
  const bencode: {
    encode(value: unknown): Uint8Array;
    /** Strings come as bytes. Throws for what is malformed. */
    decode(bytes: Uint8Array): unknown;
  };
  export default bencode;
}
