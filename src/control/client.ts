import { connect, type Socket } from 'node:net';
import { IdlocError, messageOf } from '../base/errors.ts';
import { ALIVE, DEFAULT_SOCKET, MAX_LINE_BYTES } from './constants.ts';
import { LineReader } from './line-reader.ts';
import type { Method, Params, Result } from './schemas.ts';

/** Whether the agent still serves is asked so often while it works at what was asked, however long that takes. */
const ALIVE_EVERY_MS = 5_000;

/**
 * One request to the running agent. The schemas are used as types only: what our own agent answers needs no second check, and
 * a command that shows a status starts in half the time without them.
 *
 * @throws {IdlocError} `not_running`, `no_permission`, `connection_lost`, `no_answer` of one that is stopped or hangs, or what the
 *   agent answered
 */
export async function request<M extends Method>(
  path: string,
  method: M,
  params: Params<M>,
  options: { readonly signal?: AbortSignal; readonly aliveEveryMs?: number } = {},
): Promise<Result<M>> {
  const socket = await open(path);
  try {
    return (await exchange(socket, { id: 1, method, params }, options)) as Result<M>;
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

/** Up to the answer of this request: an agent that serves others and is busy with ours is waited for, one that says nothing is not. */
function exchange(
  socket: Socket,
  asked: { readonly id: number; readonly method: Method; readonly params: unknown },
  { signal, aliveEveryMs = ALIVE_EVERY_MS }: { readonly signal?: AbortSignal; readonly aliveEveryMs?: number },
): Promise<unknown> {
  const reader = new LineReader(MAX_LINE_BYTES);
  let heard = true;
  let timer: NodeJS.Timeout | undefined;
  const answered = new Promise<unknown>((resolve, reject) => {
    const lost = (why: string): void =>
      reject(
        new IdlocError('connection_lost', `the agent went away: ${why}: see \`journalctl -u idloc\` or its output`),
      );
    socket.on('data', (bytes: Uint8Array) => {
      heard = true;
      try {
        for (const line of reader.push(bytes)) {
          const answer = parseAnswer(line);
          // What has no id is about the connection: too many requests, or none of ours.
          if (answer.id !== asked.id + 1) resolve(resultOf(answer));
        }
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)));
      }
    });
    socket.once('error', (error) => lost(error.message));
    socket.once('close', () => lost('it closed the connection'));
    signal?.addEventListener('abort', () => reject(new IdlocError('interrupted', 'interrupted')), { once: true });
    timer = setInterval(() => {
      if (!heard) {
        const seconds = (2 * aliveEveryMs) / 1000;
        const what = `the agent does not answer \`${asked.method}\`, nor anything else for ${seconds} s`;
        reject(new IdlocError('no_answer', `${what}: it was stopped or hangs: see \`systemctl status idloc\``));
      }
      heard = false;
      socket.write(`${JSON.stringify({ id: asked.id + 1, method: ALIVE })}\n`);
    }, aliveEveryMs);
    socket.write(`${JSON.stringify(asked)}\n`);
  });
  return answered.finally(() => clearInterval(timer));
}

function parseAnswer(line: string): { readonly id?: unknown; readonly result?: unknown; readonly error?: unknown } {
  let answer: unknown;
  try {
    answer = JSON.parse(line);
  } catch (error) {
    throw new IdlocError('bad_answer', `the agent's answer is not JSON: ${messageOf(error)}: is that socket idloc's?`);
  }
  return typeof answer === 'object' && answer !== null ? answer : {};
}

function resultOf(answer: ReturnType<typeof parseAnswer>): unknown {
  if ('result' in answer) return answer.result;
  if (typeof answer.error === 'object' && answer.error !== null) {
    const { code, message } = answer.error as { code?: unknown; message?: unknown };
    if (typeof code === 'string' && typeof message === 'string') throw new IdlocError(code, message);
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
