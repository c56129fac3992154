import { chmodSync, chownSync, lstatSync, statSync, unlinkSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { makeFolder } from '../base/make-folder.ts';
import { IdlocError, MalformedMessageError, messageOf, type ReportError, reporting } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { answerBytes } from './answer-bytes.ts';
import {
  ALIVE,
  MAX_CLIENTS,
  MAX_LINE_BYTES,
  MAX_PENDING_REQUESTS,
  MAX_REQUEST_BYTES,
  MAX_UNREAD_BYTES,
  SOCKET_MODE,
  STOP_GRACE_MS,
} from './constants.ts';
import { LineReader } from './line-reader.ts';
import { type ControlHandlers, type Method, methods, requestSchema } from './schemas.ts';

/**
 * The agent's side of the local control socket. `start` rejects when the path cannot be used or another agent answers there;
 * a client's mistakes are answered with an error, or end that client's connection only.
 */
export class ControlServer {
  private readonly handlers: ControlHandlers;
  private readonly logger: Logger;
  private readonly report: ReportError;
  private readonly path: string;
  /** With the requests that wait for an answer; who asked last comes last. */
  private readonly clients = new Map<Socket, number>();
  private server: Server | undefined;

  constructor(
    components: { readonly handlers: ControlHandlers; readonly logger: Logger; readonly report: ReportError },
    options: { readonly path: string },
  ) {
    this.handlers = components.handlers;
    this.logger = components.logger;
    this.report = components.report;
    this.path = options.path;
  }

  async start(): Promise<void> {
    if (Buffer.byteLength(this.path) > 107) {
      throw new IdlocError(
        'bad_socket',
        `control socket ${this.path}: longer than the 107 bytes Linux allows: choose a shorter path with --socket`,
      );
    }
    try {
      // The service's folder is systemd's; an agent started by hand makes its own.
      makeFolder(dirname(this.path), 0o755);
      this.server = await this.listen();
    } catch (error) {
      if (codeOf(error) !== 'EADDRINUSE') throw listenError(this.path, error);
      await removeStale(this.path);
      try {
        this.server = await this.listen();
      } catch (again) {
        throw listenError(this.path, again);
      }
    }
    this.server.on('error', (error) => this.logger.warn('control socket error', { err: error.message }));
  }

  /** Idempotent. Answers that are being written arrive where somebody reads them; requests in progress are aborted. */
  async stop(): Promise<void> {
    const server = this.server;
    this.server = undefined;
    if (server === undefined) return;
    // Closing removes the socket file too.
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const client of this.clients.keys()) client.destroySoon();
    const limit = setTimeout(() => {
      for (const client of this.clients.keys()) client.destroy();
    }, STOP_GRACE_MS);
    await closed;
    clearTimeout(limit);
  }

  private listen(): Promise<Server> {
    const server = createServer((socket) => this.accept(socket));
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      // Binding happens within listen(): nobody can connect before the mode is right.
      const umask = process.umask(0o777 & ~SOCKET_MODE);
      try {
        server.listen({ path: this.path }, () => {
          server.off('error', reject);
          resolve(server);
        });
        if (server.listening) giveToGroup(this.path);
      } finally {
        process.umask(umask);
      }
    });
  }

  private accept(socket: Socket): void {
    if (this.clients.size >= MAX_CLIENTS && !this.makeRoom()) {
      socket.destroy();
      return;
    }
    this.clients.set(socket, 0);
    const reader = new LineReader(MAX_REQUEST_BYTES);
    const gone = new AbortController();
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.clients.delete(socket);
      gone.abort();
    });
    const take = (bytes: Uint8Array): void => {
      let lines: string[];
      try {
        lines = reader.push(bytes);
      } catch (error) {
        if (!(error instanceof MalformedMessageError)) throw error;
        write(socket, { id: null, error: { code: 'bad_request', message: error.message } });
        socket.destroySoon();
        return;
      }
      for (const line of lines) {
        const pending = this.clients.get(socket);
        if (pending === undefined) return;
        if (pending >= MAX_PENDING_REQUESTS) {
          write(socket, { id: null, error: { code: 'too_many', message: 'too many requests in progress' } });
          socket.destroySoon();
          return;
        }
        this.clients.delete(socket);
        this.clients.set(socket, pending + 1);
        void this.serve(line, gone.signal).then(async (answer) => {
          const bytes = await this.bytesOf(answer);
          const left = this.clients.get(socket);
          if (left !== undefined) this.clients.set(socket, left - 1);
          writeBytes(socket, bytes);
        });
      }
    };
    socket.on('data', (bytes: Uint8Array) => {
      if (!reporting(this.report, 'control input', () => take(bytes))) socket.destroy();
    });
  }

  private async bytesOf(answer: Answer): Promise<Buffer[]> {
    try {
      const bytes = await answerBytes(answer);
      if (lengthOf(bytes) <= MAX_LINE_BYTES) return bytes;
      return [lineOf({ id: answer.id, error: { code: 'too_large', message: 'the answer is too large' } })];
    } catch (error) {
      this.report('control answer', error);
      return [lineOf({ id: answer.id, error: { code: 'internal', message: 'the answer cannot be written' } })];
    }
  }

  /** @returns false: all wait for answers */
  private makeRoom(): boolean {
    for (const [client, pending] of this.clients) {
      if (pending > 0) continue;
      this.clients.delete(client);
      client.destroy();
      return true;
    }
    return false;
  }

  private async serve(line: string, signal: AbortSignal): Promise<Answer> {
    let id: number | string | null = null;
    try {
      const request = requestSchema.safeParse(parseJson(line));
      if (!request.success) throw new IdlocError('bad_request', `not a request: ${firstIssue(request.error)}`);
      id = request.data.id;
      const method = request.data.method;
      if (method === ALIVE) return { id, result: {} };
      if (!isMethod(method)) throw new IdlocError('unknown_method', `there is no method ${method}`);
      return { id, result: await this.call(method, request.data.params ?? {}, signal) };
    } catch (error) {
      if (error instanceof IdlocError) return { id, error: { code: error.code, message: error.message } };
      this.report('control request', error);
      return { id, error: { code: 'internal', message: messageOf(error) } };
    }
  }

  private async call(method: Method, params: unknown, signal: AbortSignal): Promise<unknown> {
    const parsed = methods[method].params.safeParse(params);
    if (!parsed.success) throw new IdlocError('bad_params', `${method}: ${firstIssue(parsed.error)}`);
    // The schema of this very method has just checked them.
    const handler = this.handlers[method] as (params: unknown, signal: AbortSignal) => unknown;
    return await handler.call(this.handlers, parsed.data, signal);
  }
}

type Answer =
  | { id: number | string | null; result: unknown }
  | { id: number | string | null; error: { code: string; message: string } };

/** A short one. */
function write(socket: Socket, answer: Answer): void {
  writeBytes(socket, [lineOf(answer)]);
}

/** All at once: answers of one client do not mix. */
function writeBytes(socket: Socket, bytes: readonly Buffer[]): void {
  if (socket.destroyed || !socket.writable) return;
  socket.cork();
  for (const piece of bytes) socket.write(piece);
  socket.uncork();
  if (socket.writableLength > MAX_UNREAD_BYTES) socket.destroy();
}

function lineOf(answer: Answer): Buffer {
  return Buffer.from(`${JSON.stringify(answer)}\n`);
}

function lengthOf(bytes: readonly Buffer[]): number {
  return bytes.reduce((sum, { length }) => sum + length, 0);
}

function isMethod(text: string): text is Method {
  return Object.hasOwn(methods, text);
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw new IdlocError('bad_request', 'not a request: the line is not JSON');
  }
}

function firstIssue(error: {
  readonly issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[];
}): string {
  const issue = error.issues[0];
  if (issue === undefined) return 'invalid';
  return issue.path.length === 0 ? issue.message : `${issue.path.map(String).join('.')}: ${issue.message}`;
}

/** Started as root for a folder that belongs to a group (the service's): that group may use the socket. */
function giveToGroup(path: string): void {
  chmodSync(path, SOCKET_MODE);
  if (process.geteuid?.() !== 0) return;
  const { gid } = statSync(dirname(path));
  if (gid !== 0) chownSync(path, 0, gid);
}

/** A socket file that nobody listens on was left by an agent that was killed. */
async function removeStale(path: string): Promise<void> {
  if (!lstatSync(path).isSocket()) {
    throw new IdlocError(
      'bad_socket',
      `control socket ${path}: a file that is no socket is in the way: remove it, or choose another path with --socket`,
    );
  }
  const answered = await new Promise<boolean>((resolve, reject) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', (error) => {
      const code = codeOf(error);
      if (code === 'ECONNREFUSED' || code === 'ENOENT') resolve(false);
      // A full backlog means that somebody is there.
      else if (code === 'EAGAIN') resolve(true);
      else reject(listenError(path, error));
    });
  });
  if (answered) {
    throw new IdlocError(
      'already_running',
      `control socket ${path}: another idloc is running: stop it with \`idloc down --socket ${path}\`, or choose another path with --socket`,
    );
  }
  try {
    unlinkSync(path);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw listenError(path, error);
  }
}

/** `bad_socket`: until somebody changes the path, or who may write there. */
function listenError(path: string, error: unknown): IdlocError {
  const advice: Record<string, string> = {
    EACCES: `no permission for ${dirname(path)}: run as root, or choose a path of your own with --socket`,
    EPERM: `no permission for ${dirname(path)}: run as root, or choose a path of your own with --socket`,
    ENOTDIR: `${dirname(path)} is no folder: choose another path with --socket`,
    EEXIST: `${dirname(path)} is no folder: choose another path with --socket`,
    EROFS: `${dirname(path)} is read-only: choose another path with --socket`,
  };
  const wrong = advice[codeOf(error) ?? ''];
  if (wrong !== undefined) return new IdlocError('bad_socket', `control socket ${path}: ${wrong}`, { cause: error });
  const what = codeOf(error) === 'EADDRINUSE' ? 'another program has just taken it' : messageOf(error);
  const text = `control socket ${path}: ${what}: choose another path with --socket`;
  return new IdlocError('no_control_socket', text, { cause: error });
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
