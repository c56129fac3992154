import { connect, type Socket } from 'node:net';
import { IdlocError, messageOf } from '../base/errors.ts';
import { DEFAULT_SOCKET, MAX_LINE_BYTES } from './constants.ts';
import { LineReader } from './line-reader.ts';
import type { Method, Params, Result } from './schemas.ts';

/**
 * One request to the running agent. The schemas are used as types only: what our own agent answers needs no second check, and
 * a command that shows a status starts in half the time without them.
 *
 * @throws {IdlocError} `not_running`, `no_permission`, `connection_lost`, or what the agent answered
 */
export async function request<M extends Method>(
  path: string,
  method: M,
  params: Params<M>,
  options: { readonly signal?: AbortSignal } = {},
): Promise<Result<M>> {
  const socket = await open(path);
  try {
    const line = await exchange(socket, JSON.stringify({ id: 1, method, params }), options.signal);
    return readAnswer(line) as Result<M>;
  } finally {
    socket.destroy();
  }
}

function open(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.removeAllListeners('error');
      resolve(socket);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => reject(connectError(path, error)));
  });
}

function exchange(socket: Socket, line: string, signal: AbortSignal | undefined): Promise<string> {
  const reader = new LineReader(MAX_LINE_BYTES);
  return new Promise((resolve, reject) => {
    const lost = (why: string): void =>
      reject(
        new IdlocError('connection_lost', `the agent went away: ${why}: see \`journalctl -u idloc\` or its output`),
      );
    socket.on('data', (bytes: Uint8Array) => {
      try {
        const answer = reader.push(bytes)[0];
        if (answer !== undefined) resolve(answer);
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)));
      }
    });
    socket.once('error', (error) => lost(error.message));
    socket.once('close', () => lost('it closed the connection'));
    signal?.addEventListener('abort', () => reject(new IdlocError('interrupted', 'interrupted')), { once: true });
    socket.write(`${line}\n`);
  });
}

function readAnswer(line: string): unknown {
  let answer: unknown;
  try {
    answer = JSON.parse(line);
  } catch (error) {
    throw new IdlocError('bad_answer', `the agent's answer is not JSON: ${messageOf(error)}: is that socket idloc's?`);
  }
  if (typeof answer === 'object' && answer !== null) {
    if ('result' in answer) return answer.result;
    if ('error' in answer && typeof answer.error === 'object' && answer.error !== null) {
      const { code, message } = answer.error as { code?: unknown; message?: unknown };
      if (typeof code === 'string' && typeof message === 'string') throw new IdlocError(code, message);
    }
  }
  throw new IdlocError('bad_answer', "the agent's answer has neither result nor error: is that socket idloc's?");
}

function connectError(path: string, error: NodeJS.ErrnoException): IdlocError {
  const start = path === DEFAULT_SOCKET ? '`systemctl start idloc` or `idloc up`' : `\`idloc up --socket ${path}\``;
  switch (error.code) {
    case 'ENOENT':
      return new IdlocError('not_running', `idloc is not running (no socket at ${path}): start it with ${start}`, {
        cause: error,
      });
    case 'ECONNREFUSED':
      return new IdlocError('not_running', `idloc is not running (nobody answers at ${path}): start it with ${start}`, {
        cause: error,
      });
    case 'EACCES':
    case 'EPERM':
      return new IdlocError(
        'no_permission',
        `no permission for ${path}: run this as root, or join the group idloc with \`usermod -aG idloc USER\``,
        { cause: error },
      );
    default:
      return new IdlocError(
        'connection_failed',
        `cannot talk to ${path}: ${error.message}: give the agent's socket with --socket`,
        {
          cause: error,
        },
      );
  }
}
