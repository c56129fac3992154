import { MalformedMessageError } from '../base/errors.ts';

const HEADER_BYTES = 44;
const BYTES_PER_SAMPLE = 2;
const PCM = 1;
/** `WAVE_FORMAT_EXTENSIBLE`: what follows in the chunk says PCM too, of the programs that are used here. */
const EXTENSIBLE = 0xfffe;
const BEEP_HZ = 1_000;
const BEEP_VOLUME = 0.25;
/** Without it, it clicks. */
const RAMP_SECONDS = 0.01;

/** 16-bit samples of a WAV file. */
export interface Pcm {
  readonly rate: number;
  readonly channels: number;
  /** Where they begin in the file. */
  readonly offset: number;
  readonly data: Uint8Array;
}

/**
 * The lengths that the file says of itself are limits, no more: a program that was ended, or that writes into a pipe, does not know them.
 * @throws {MalformedMessageError}
 */
export function parseWav(file: Uint8Array): Pcm {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.length);
  if (bytes.length < 12 || bytes.toString('latin1', 0, 4) !== 'RIFF' || bytes.toString('latin1', 8, 12) !== 'WAVE')
    throw new MalformedMessageError(0, 'no WAV file');
  let format: { rate: number; channels: number } | undefined;
  for (let at = 12; at + 8 <= bytes.length;) {
    const name = bytes.toString('latin1', at, at + 4);
    const length = bytes.readUInt32LE(at + 4);
    const start = at + 8;
    if (name === 'fmt ' && length >= 16 && start + 16 <= bytes.length) {
      const [kind, channels] = [bytes.readUInt16LE(start), bytes.readUInt16LE(start + 2)];
      const isPcm = (kind === PCM || kind === EXTENSIBLE) && bytes.readUInt16LE(start + 14) === 8 * BYTES_PER_SAMPLE;
      if (!isPcm || channels < 1 || channels > 2) throw new MalformedMessageError(start, 'no 16-bit PCM');
      format = { rate: bytes.readUInt32LE(start + 4), channels };
    } else if (name === 'data' && format !== undefined) {
      const frame = format.channels * BYTES_PER_SAMPLE;
      // Of a file that was not ended, nothing is known: 0.
      const end = length === 0 ? bytes.length : Math.min(bytes.length, start + length);
      return { ...format, offset: start, data: bytes.subarray(start, end - ((end - start) % frame)) };
    }
    at = start + length + (length % 2);
  }
  throw new MalformedMessageError(bytes.length, 'a WAV file without samples');
}

export function wavFile({ rate, channels, data }: Pick<Pcm, 'rate' | 'channels' | 'data'>): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  const frame = channels * BYTES_PER_SAMPLE;
  header.write('RIFF', 0);
  header.writeUInt32LE(HEADER_BYTES - 8 + data.length, 4);
  header.write('WAVEfmt ', 8);
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(PCM, 20);
  header.writeUInt16LE(channels, 22);
  header.writeUInt32LE(rate, 24);
  header.writeUInt32LE(rate * frame, 28);
  header.writeUInt16LE(frame, 32);
  header.writeUInt16LE(8 * BYTES_PER_SAMPLE, 34);
  header.write('data', 36);
  header.writeUInt32LE(data.length, 40);
  return Buffer.concat([header, data]);
}

/** Both channels as one. */
export function mono({ channels, data }: Pick<Pcm, 'channels' | 'data'>): Buffer {
  const samples = Buffer.from(data.buffer, data.byteOffset, data.length);
  if (channels === 1) return samples;
  const mixed = Buffer.alloc(samples.length >> 1);
  for (let at = 0; at + 1 < mixed.length; at += 2)
    mixed.writeInt16LE((samples.readInt16LE(2 * at) + samples.readInt16LE(2 * at + 2)) >> 1, at);
  return mixed;
}

/** Samples, one channel. */
export function silence(seconds: number, rate: number): Buffer {
  return Buffer.alloc(BYTES_PER_SAMPLE * Math.round(seconds * rate));
}

/** Samples, one channel. */
export function beep(seconds: number, rate: number): Buffer {
  const samples = silence(seconds, rate);
  const count = samples.length / BYTES_PER_SAMPLE;
  for (let index = 0; index < count; index += 1) {
    const ramp = Math.min(1, index / (RAMP_SECONDS * rate), (count - index) / (RAMP_SECONDS * rate));
    const value = BEEP_VOLUME * ramp * Math.sin((2 * Math.PI * BEEP_HZ * index) / rate);
    samples.writeInt16LE(Math.round(32_767 * value), BYTES_PER_SAMPLE * index);
  }
  return samples;
}

/** Root mean square, 0 to 1. */
export function loudness(samples: Uint8Array): number {
  const bytes = Buffer.from(samples.buffer, samples.byteOffset, samples.length);
  const count = bytes.length >> 1;
  let sum = 0;
  for (let index = 0; index < count; index += 1) sum += (bytes.readInt16LE(2 * index) / 32_768) ** 2;
  return Math.sqrt(sum / Math.max(1, count));
}
