import { ByteReader, ByteWriter } from '../../../src/base/bytes.ts';
import type { DataPlaneEnd } from './data-plane-end.ts';
import type { SctpChunk } from './sctp.ts';
import { CHUNK, decodeSctp, encodeSctp } from './sctp.ts';

const COOKIE = Buffer.from('the state of an association');
const STATE_COOKIE_PARAMETER = 7;
const OUR_TAG = 0x1d10c001;
const FIRST_TSN = 1;
const RECEIVE_WINDOW_BYTES = 1 << 18;
const STREAMS = 16;
const WHOLE_MESSAGE = 0x03;

/** Payload protocol identifiers (RFC 8831 s8). */
export const DCEP = 50;
export const STRING = 51;

export interface SctpMessage {
  readonly stream: number;
  readonly protocol: number;
  readonly data: Uint8Array;
}

/**
 * The passive end of an SCTP association in the records of a link. Both ports are 0x8000, so that every packet begins
 * with 0x80 and comes up as a record. Nothing is repeated: loopback loses nothing.
 */
export class SctpAssociation {
  static readonly PORT = 0x8000;
  private readonly end: DataPlaneEnd;
  private readonly peerTag: number;
  private tsn = FIRST_TSN;
  private readonly arrived: SctpMessage[] = [];

  /** From INIT of the peer to our COOKIE ACK (RFC 9260 s5.1). */
  static async accept(end: DataPlaneEnd): Promise<SctpAssociation> {
    let init: SctpChunk | undefined;
    while (init === undefined) init = decodeSctp(await end.record()).chunks.find(({ type }) => type === CHUNK.init);
    const association = new SctpAssociation(end, new ByteReader(init.value).u32());
    association.send(CHUNK.initAck, (writer) => {
      writer.u32(OUR_TAG);
      writer.u32(RECEIVE_WINDOW_BYTES);
      writer.u16(STREAMS);
      writer.u16(STREAMS);
      writer.u32(FIRST_TSN);
      writer.u16(STATE_COOKIE_PARAMETER);
      writer.u16(4 + COOKIE.length);
      writer.bytes(COOKIE);
    });
    const echo = await association.next(CHUNK.cookieEcho);
    if (!COOKIE.equals(echo.value)) throw new Error('the cookie came back changed');
    association.send(CHUNK.cookieAck, () => {});
    return association;
  }

  private constructor(end: DataPlaneEnd, peerTag: number) {
    this.end = end;
    this.peerTag = peerTag;
  }

  /** RFC 8832 s5.1: a reliable, ordered channel. @returns when the peer has acknowledged it. */
  async openChannel(stream: number, label: string): Promise<void> {
    const writer = new ByteWriter();
    writer.u8(3); // DATA_CHANNEL_OPEN
    writer.u8(0); // DATA_CHANNEL_RELIABLE
    writer.u16(0);
    writer.u32(0);
    writer.u16(label.length);
    writer.u16(0);
    writer.utf8(label);
    this.sendMessage({ stream, protocol: DCEP, data: writer.finish() });
    const { protocol, data } = await this.message();
    if (protocol !== DCEP || data[0] !== 2) throw new Error('the peer did not acknowledge the channel');
  }

  sendMessage({ stream, protocol, data }: SctpMessage): void {
    this.send(
      CHUNK.data,
      (writer) => {
        writer.u32(this.tsn);
        writer.u16(stream);
        writer.u16(this.tsn - FIRST_TSN); // all messages are of one stream
        writer.u32(protocol);
        writer.bytes(data);
      },
      WHOLE_MESSAGE,
    );
    this.tsn++;
  }

  async message(): Promise<SctpMessage> {
    for (;;) {
      const message = this.arrived.shift();
      if (message !== undefined) return message;
      await this.receive();
    }
  }

  /** Resolves when the peer gives the association up. */
  async aborted(): Promise<void> {
    await this.next(CHUNK.abort);
  }

  private async next(type: number): Promise<SctpChunk> {
    for (;;) {
      const found = (await this.receive()).find((chunk) => chunk.type === type);
      if (found !== undefined) return found;
    }
  }

  private async receive(): Promise<readonly SctpChunk[]> {
    const { chunks, verificationTag } = decodeSctp(await this.end.record());
    for (const { type, value } of chunks) {
      if (type === CHUNK.heartbeat) this.send(CHUNK.heartbeatAck, (writer) => writer.bytes(value));
      else if (type === CHUNK.data) this.take(new ByteReader(value));
    }
    // INIT repeated by a peer whose timer was faster carries no tag.
    return verificationTag === OUR_TAG ? chunks : [];
  }

  private take(reader: ByteReader): void {
    const tsn = reader.u32();
    const stream = reader.u16();
    reader.u16();
    this.arrived.push({ stream, protocol: reader.u32(), data: reader.rest() });
    this.send(CHUNK.sack, (writer) => {
      writer.u32(tsn);
      writer.u32(RECEIVE_WINDOW_BYTES);
      writer.u32(0); // neither gaps nor duplicates
    });
  }

  private send(type: number, write: (writer: ByteWriter) => void, flags = 0): void {
    const writer = new ByteWriter();
    write(writer);
    this.end.send(
      encodeSctp({
        sourcePort: SctpAssociation.PORT,
        destinationPort: SctpAssociation.PORT,
        verificationTag: this.peerTag,
        chunks: [{ type, flags, value: writer.finish() }],
      }),
    );
  }
}
