import { callAddon, loadAddon } from './addon.ts';

/**
 * sd_notify(3): sends `text` (lines of NAME=value) to the Unix datagram socket that NOTIFY_SOCKET names, a path or an abstract
 * name after `@`. Never blocks.
 * @throws {IdlocError} with the errno's name as code: `EAGAIN` when the receiver's queue is full.
 */
export function notifySystemd(socketPath: string, text: string): void {
  callAddon(() => loadAddon().notifySystemd(socketPath, text));
}
