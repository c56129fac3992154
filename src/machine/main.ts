import { mkdtemp, rm } from 'node:fs/promises';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { messageOf } from '../base/errors.ts';
import { VERSION } from '../base/version.ts';
import { answerCall } from './answering-machine.ts';
import {
  encodeFrame,
  encodeJson,
  FRAME,
  FrameReader,
  MAX_SOUND_BYTES,
  MAX_SOUNDS,
  type Orders,
  parseOrders,
} from './frames.ts';

/** Its orders come at once. */
const ORDERED_WITHIN_MS = 10_000;

/*
 * The answering machine, one process for each call: its standard input is a connection of the agent (idloc-voicemail.socket). It has nothing
 * of the agent's but that, and what it plays and records is gone with it.
 */
if (process.argv.includes('--version')) process.stdout.write(`${VERSION}\n`);
else void serve(new Socket({ fd: 0, readable: true, writable: true }));

async function serve(socket: Socket): Promise<void> {
  const over = new AbortController();
  const enough = new AbortController();
  let directory: string | undefined;
  try {
    directory = await mkdtemp(join(process.env.RUNTIME_DIRECTORY ?? tmpdir(), 'call-'));
    socket.on('error', () => over.abort());
    const { orders, sounds } = await readOrders(socket, over, enough);
    const say = (frame: Buffer): void => void socket.write(frame);
    await answerCall(
      {
        ready: (port) => say(encodeJson(FRAME.ready, { port })),
        recorded: (ogg) => say(encodeFrame(FRAME.recording, ogg)),
        over: (report) => say(encodeJson(FRAME.over, report)),
      },
      { orders, sounds, directory, signal: over.signal, enough: enough.signal },
    );
  } catch (error) {
    if (!over.signal.aborted) process.stderr.write(`answering machine: ${messageOf(error)}\n`);
    process.exitCode = 1;
  } finally {
    if (directory !== undefined) await rm(directory, { recursive: true, force: true });
    socket.end();
    // What the agent does not take is not waited for.
    socket.setTimeout(ORDERED_WITHIN_MS, () => socket.destroy());
  }
}

/** All that the agent says. When it has gone afterwards, nobody wants the call. @throws when it says what is none. */
async function readOrders(
  socket: Socket,
  over: AbortController,
  enough: AbortController,
): Promise<{ readonly orders: Orders; readonly sounds: readonly Uint8Array[] }> {
  const reader = new FrameReader();
  const sounds: Uint8Array[] = [];
  let orders: Orders | undefined;
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('no orders came')), ORDERED_WITHIN_MS);
    const end = (): void => {
      over.abort();
      reject(new Error('nobody gives orders'));
    };
    socket.on('end', end);
    socket.on('close', end);
    socket.on('data', (piece: Buffer) => {
      try {
        for (const { type, payload } of reader.push(piece)) {
          if (type === FRAME.orders) orders = parseOrders(payload);
          else if (type === FRAME.sound) sounds.push(payload);
          else if (type === FRAME.enough) enough.abort();
          else if (type !== FRAME.start || orders === undefined) throw new Error('not what an agent says');
          else {
            clearTimeout(timer);
            resolve({ orders, sounds });
          }
        }
        const bytes = sounds.reduce((sum, { length }) => sum + length, 0);
        if (sounds.length > MAX_SOUNDS || bytes > MAX_SOUND_BYTES) throw new Error('more than a call plays');
      } catch (error) {
        clearTimeout(timer);
        reject(error instanceof Error ? error : new Error(String(error)));
      }
    });
  });
}
