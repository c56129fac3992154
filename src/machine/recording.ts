import { closeSync, fstatSync, openSync, readdirSync, readFileSync, readSync, statfsSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { loudness, type Pcm, parseWav } from './wav.ts';

/** What baresip's `sndfile` makes of what it hears. */
const SUFFIX = '-dec.wav';
/** And of what it plays, which nobody wants and nothing switches off. */
const PLAYED_SUFFIX = '-enc.wav';
/** What comes until the next look has room in it. */
const LEAST_FREE_BYTES = 512 * 1_024;
const HEADER_BYTES = 44;
/** -50 dB: a quiet voice is louder, a quiet room is not. */
const QUIET = 0.003;
/** Kept behind the last word. */
const TAIL_SECONDS = 1;
const BYTES_PER_SAMPLE = 2;

/** What the caller says, as baresip writes it down: looked at now and then while it grows. */
export class Recording {
  private readonly directory: string;
  /** Bytes of the file that are no part of it: what was heard before the beep. */
  private from = HEADER_BYTES;
  private seen = HEADER_BYTES;
  private loudUntil = 0;

  constructor(directory: string) {
    this.directory = directory;
  }

  /** The beep is over. */
  begin(): void {
    this.from = Math.max(HEADER_BYTES, this.size());
    this.seen = this.from;
  }

  /** The file of what is played takes no room: baresip writes on behind the hole. @returns whether there is room for what comes next. */
  makeRoom(): boolean {
    for (const name of readdirSync(this.directory))
      if (name.endsWith(PLAYED_SUFFIX)) truncateSync(join(this.directory, name));
    const { bavail, bsize } = statfsSync(this.directory);
    return bavail * bsize >= LEAST_FREE_BYTES;
  }

  /** @returns whether somebody has spoken since the last time. */
  look(): boolean {
    const file = this.file;
    if (file === undefined) return false;
    const fd = openSync(file, 'r');
    try {
      // From whole samples to whole samples.
      const bytes = (fstatSync(fd).size - this.seen) & ~1;
      if (bytes <= 0) return false;
      const heard = Buffer.alloc(bytes);
      const read = readSync(fd, heard, 0, bytes, this.seen) & ~1;
      this.seen += read;
      if (loudness(heard.subarray(0, read)) < QUIET) return false;
      this.loudUntil = this.seen;
      return true;
    } finally {
      closeSync(fd);
    }
  }

  /** From the beep to the last word. @returns undefined: nobody has spoken. */
  take(): (Pick<Pcm, 'rate' | 'channels' | 'data'> & { readonly seconds: number }) | undefined {
    this.look();
    const file = this.file;
    if (file === undefined || this.loudUntil === 0) return undefined;
    const { rate, channels, offset, data } = parseWav(readFileSync(file));
    const frame = channels * BYTES_PER_SAMPLE;
    const whole = (bytes: number): number => bytes - (bytes % frame);
    const start = whole(Math.max(0, this.from - offset));
    const end = whole(this.loudUntil - offset) + TAIL_SECONDS * rate * frame;
    const said = data.subarray(start, end);
    return { rate, channels, data: said, seconds: said.length / (rate * frame) };
  }

  private get file(): string | undefined {
    const name = readdirSync(this.directory).find((entry) => entry.endsWith(SUFFIX));
    return name === undefined ? undefined : join(this.directory, name);
  }

  private size(): number {
    const { file } = this;
    if (file === undefined) return 0;
    const fd = openSync(file, 'r');
    try {
      return fstatSync(fd).size & ~1;
    } finally {
      closeSync(fd);
    }
  }
}
