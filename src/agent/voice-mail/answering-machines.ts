import { statSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { SocketAddress } from '../../base/socket-address.ts';
import {
  encodeFrame,
  encodeJson,
  FRAME,
  type Frame,
  FrameReader,
  LOOPBACK,
  type Orders,
  parseReady,
  parseReport,
  type Report,
} from '../../machine/frames.ts';
import type { Guard } from '../guard.ts';

// Implementation constants.

/** As idloc-voicemail.socket. */
const MAX_MACHINES = 8;
/** A busy host starts programs slowly, and a greeting is to be unpacked. */
const READY_WITHIN_MS = 10_000;
/** Beyond what was ordered: until it is called, and to pack what was said. */
const SLACK_MS = 120_000;
/** When the agent ends: to hang up, and to pack what was said. */
const ENOUGH_WITHIN_MS = 3_000;

/** A machine that somebody speaks to, or hears. */
interface Running {
  readonly records: boolean;
  readonly over: Promise<unknown>;
}

export interface MachineResult extends Report {
  /** Ogg Opus; undefined: nobody has spoken. */
  readonly ogg: Uint8Array | undefined;
}

export interface MachineRun {
  /** Where it hears SIP; undefined: it does not. Never rejects. */
  readonly ready: Promise<SocketAddress | undefined>;
  /** Undefined: it has failed, or the agent is about to end. Never rejects. */
  readonly over: Promise<MachineResult | undefined>;
  /** Nobody calls it any more. */
  stop(): void;
}

/** The answering machines of this host: a process for each call, which systemd starts with each connection. */
export class AnsweringMachines {
  private readonly logger: Logger;
  private readonly guard: Guard;
  private readonly options: { readonly socket: string; readonly interfaceName: string };
  private readonly running = new Map<Socket, Running>();
  private stopped = false;

  /** @param options.interfaceName that has this host's overlay addresses */
  constructor(
    components: { readonly logger: Logger; readonly guard: Guard },
    options: { readonly socket: string; readonly interfaceName: string },
  ) {
    this.logger = components.logger;
    this.guard = components.guard;
    this.options = options;
  }

  /** Whether somebody has switched them on. */
  get areThere(): boolean {
    return statSync(this.options.socket, { throwIfNoEntry: false })?.isSocket() === true;
  }

  /** @param sounds Ogg Opus: a greeting, or messages */
  start(orders: Omit<Orders, 'interfaceName'>, sounds: readonly Uint8Array[]): MachineRun {
    const ready = Promise.withResolvers<SocketAddress | undefined>();
    const over = Promise.withResolvers<MachineResult | undefined>();
    if (this.stopped || this.running.size >= MAX_MACHINES) {
      if (!this.stopped) this.logger.info('voice mail: all answering machines are busy', { count: MAX_MACHINES });
      ready.resolve(undefined);
      over.resolve(undefined);
      return { ready: ready.promise, over: over.promise, stop: () => undefined };
    }
    const { socket: path, interfaceName } = this.options;
    const socket = connect(path);
    this.running.set(socket, { records: orders.task === 'record', over: over.promise });
    const found: { report: Report | undefined; ogg: Uint8Array | undefined } = { report: undefined, ogg: undefined };
    const late = (): void => void socket.destroy(new Error('it takes too long'));
    let timer = setTimeout(late, READY_WITHIN_MS);
    const handle = ({ type, payload }: Frame): void => {
      if (type === FRAME.ready) {
        clearTimeout(timer);
        timer = setTimeout(late, 1_000 * orders.maxSeconds + SLACK_MS);
        ready.resolve({ address: LOOPBACK[orders.family], port: parseReady(payload) });
      } else if (type === FRAME.recording) found.ogg = payload;
      else if (type === FRAME.over) found.report = parseReport(payload);
    };
    let isCalledOff = false;
    const reader = new FrameReader();
    socket.on('data', (piece: Buffer) => {
      try {
        for (const frame of reader.push(piece)) handle(frame);
      } catch (error) {
        socket.destroy(error instanceof Error ? error : undefined);
      }
    });
    let failure: string | undefined;
    socket.on('error', (error) => {
      failure = messageOf(error);
    });
    socket.on(
      'close',
      this.guard.handler('answering machine', () => {
        clearTimeout(timer);
        this.running.delete(socket);
        ready.resolve(undefined);
        const { report, ogg } = found;
        over.resolve(report && { ...report, ogg });
        if (report !== undefined || isCalledOff || this.stopped) return;
        this.logger.warn('voice mail: an answering machine has failed', {
          why: failure ?? 'it ended',
          advice:
            'systemctl status idloc-voicemail.socket; journalctl -u "idloc-voicemail@*"; apt-get install baresip-core opus-tools',
        });
      }),
    );
    socket.write(encodeJson(FRAME.orders, { ...orders, interfaceName }));
    for (const sound of sounds) socket.write(encodeFrame(FRAME.sound, sound));
    socket.write(encodeFrame(FRAME.start));
    const stop = (): void => {
      isCalledOff = true;
      socket.destroy();
    };
    return { ready: ready.promise, over: over.promise, stop };
  }

  /** Calls end; what was said in them until now is there when this resolves, with whoever waits for it. Idempotent. */
  async stop(): Promise<void> {
    this.stopped = true;
    for (const [socket, { records }] of this.running)
      if (records) socket.write(encodeFrame(FRAME.enough));
      else socket.destroy();
    const recordings = [...this.running.values()].filter(({ records }) => records);
    if (recordings.length === 0) return;
    const limit = new AbortController();
    const late = delay(ENOUGH_WITHIN_MS, undefined, { signal: limit.signal }).catch(() => undefined);
    await Promise.race([Promise.all(recordings.map(({ over }) => over)), late]);
    limit.abort();
    for (const socket of this.running.keys()) socket.destroy();
    await nextTurn();
  }
}
