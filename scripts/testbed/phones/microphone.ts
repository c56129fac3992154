import { closeSync, constants, openSync, readFileSync, writeSync } from 'node:fs';
import { WAV_HEADER_BYTES } from '../speech.ts';

const PIECE_MS = 20;
/** Later ones are nobody's words any more: who has not heard for so long hears on from now. */
const MAX_LATE_PIECES = 10;
/** Of 48 kHz, 16 bits, one channel. */
const PIECE_BYTES = 48 * 2 * PIECE_MS;

/** A file's words, again and again, in real time into a pipe that a sound server takes for a microphone (PulseAudio's module-pipe-source). */
export class Microphone {
  /** For that module. */
  static readonly format = 'format=s16le rate=48000 channels=1';
  private readonly pipe: number;
  private readonly timer: NodeJS.Timeout;

  /** @param pipe whose reader is there @param wav 48 kHz, one channel */
  constructor(pipe: string, wav: string) {
    const words = readFileSync(wav).subarray(WAV_HEADER_BYTES);
    const pieces = Math.floor(words.length / PIECE_BYTES);
    this.pipe = openSync(pipe, constants.O_WRONLY | constants.O_NONBLOCK);
    const from = performance.now();
    let next = 0;
    this.timer = setInterval(() => {
      const due = Math.floor((performance.now() - from) / PIECE_MS);
      for (next = Math.max(next, due - MAX_LATE_PIECES); next < due; next += 1) {
        const at = (next % pieces) * PIECE_BYTES;
        this.say(words.subarray(at, at + PIECE_BYTES));
      }
    }, PIECE_MS / 2);
  }

  /** Idempotent. */
  stop(): void {
    if (!this.timer.hasRef()) return;
    clearInterval(this.timer.unref());
    closeSync(this.pipe);
  }

  /** Nobody listens between calls: the pipe is full then. */
  private say(piece: Uint8Array): void {
    try {
      writeSync(this.pipe, piece);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'EAGAIN' && code !== 'EPIPE') throw error;
    }
  }
}
