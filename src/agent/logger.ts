import { createLogger as createWinston, format, transports } from 'winston';
import { messageOf } from '../base/errors.ts';
import { hitToAddress, isHit } from '../base/node-id.ts';
import type { LogFields, Logger } from '../base/logger.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type LogStyle =
  /** `12:00:01.234 info  link up  hit=2001:2b:... rttMs=12` */
  | 'terminal'
  /** `<6>link up  hit=...`: the journal keeps time and takes the priority off (sd-daemon(3)). */
  | 'journal'
  /** One object a line: `{"time":"...","level":"info","event":"link up",...}`. */
  | 'json';

export interface LeveledLogger extends Logger {
  setLevel(level: LogLevel): void;
}

const LEVELS: Readonly<Record<LogLevel, number>> = { error: 0, warn: 1, info: 2, debug: 3 };
const PRIORITY: Readonly<Record<string, number>> = { error: 3, warn: 4, info: 6, debug: 7 };
/** A field cannot fill the log, whatever a peer sends. */
const MAX_FIELD_CHARACTERS = 512;
/** Of our own code's making. */
const MAX_STACK_CHARACTERS = 2_000;
const MESSAGE = Symbol.for('message');

/** The agent's log: winston on stderr, or on another stream in tests. */
export function createLogger(options: {
  readonly level: LogLevel;
  readonly style: LogStyle;
  readonly stream?: NodeJS.WritableStream;
}): LeveledLogger {
  const render = RENDER[options.style];
  const stream = options.stream ?? process.stderr;
  // On a full disk, or when its reader is gone, a line is lost, and the next one is tried; unheard, the error would end the agent.
  stream.on('error', () => undefined);
  const winston = createWinston({
    level: options.level,
    levels: LEVELS,
    format: format((info) => {
      info[MESSAGE] = render(info.level, String(info.message), (info['fields'] ?? {}) as LogFields);
      return info;
    })(),
    // winston's types declare its own transports as interfaces beside the class they are instances of.
    // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment
    transports: [new transports.Stream({ stream, eol: '\n' })],
    exitOnError: false,
  });
  let shown = options.level;
  const write =
    (level: LogLevel) =>
    (event: string, fields?: LogFields): void => {
      // Asked some times for each message of a call, and of winston it is a search.
      if (LEVELS[level] <= LEVELS[shown]) winston.log({ level, message: event, fields });
    };
  return {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    setLevel: (level) => {
      shown = level;
      winston.level = level;
    },
  };
}

/** The journal says so in the environment (systemd.exec(5)); a terminal is one; the rest is read by programs. */
export function chooseStyle(env: NodeJS.ProcessEnv, isTerminal: boolean): LogStyle {
  if (isTerminal) return 'terminal';
  return env['JOURNAL_STREAM'] === undefined ? 'json' : 'journal';
}

const RENDER: Readonly<Record<LogStyle, (level: string, event: string, fields: LogFields) => string>> = {
  terminal: (level, event, fields) =>
    `${new Date().toISOString().slice(11, 23)} ${level.padEnd(5)} ${event}${fieldsText(fields)}`,
  journal: (level, event, fields) => `<${PRIORITY[level] ?? 6}>${event}${fieldsText(fields)}`,
  json: (level, event, fields) => {
    const line: Record<string, unknown> = { time: new Date().toISOString(), level, event };
    for (const [name, value] of Object.entries(fields)) {
      if (value !== undefined)
        line[name] = typeof value === 'number' || typeof value === 'boolean' ? value : text(name, value);
    }
    return JSON.stringify(line);
  },
};

function fieldsText(fields: LogFields): string {
  let out = '';
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    const shown = text(name, value);
    out += ` ${name}=${/^[^\s"=\p{Cc}]+$/u.test(shown) ? shown : JSON.stringify(shown)}`;
  }
  return out;
}

function text(name: string, value: unknown): string {
  let shown: string;
  if (value instanceof Error) shown = messageOf(value);
  else if (value instanceof Uint8Array) shown = Buffer.from(value.subarray(0, MAX_FIELD_CHARACTERS)).toString('hex');
  else if (typeof value === 'string' || typeof value === 'bigint') shown = String(readable(value));
  else {
    try {
      shown = JSON.stringify(value, (_name, inner: unknown) => readable(inner));
    } catch {
      shown = '(circular)';
    }
  }
  const limit = name === 'stack' ? MAX_STACK_CHARACTERS : MAX_FIELD_CHARACTERS;
  return shown.length > limit ? `${shown.slice(0, limit)}...` : shown;
}

/** A HIT is an address wherever people see it: what `idloc status` shows is found in the log. */
function readable(value: unknown): unknown {
  if (typeof value === 'bigint') return String(value);
  return typeof value === 'string' && isHit(value) ? hitToAddress(value) : value;
}
