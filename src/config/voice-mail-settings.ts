import { z } from 'zod';
import { isOggOpus } from '../base/ogg-opus.ts';
import { ConfigError } from './errors.ts';
import { readNamedBytes } from './named-files.ts';

const RING_SECONDS = { least: 5, most: 120, default: 25 } as const;
/** Two minutes of speech are what the overlay keeps of a recording; quiet codecs get more of it. */
const MAX_SECONDS = { least: 10, most: 180, default: 120 } as const;
/** Of Ogg Opus: half a minute. */
export const MAX_GREETING_BYTES = 65_536;

/** The table `[voicemail]`. */
export const voiceMailSchema = z.strictObject({
  enable: z.boolean().optional(),
  ring_seconds: z.int().min(RING_SECONDS.least).max(RING_SECONDS.most).optional(),
  max_seconds: z.int().min(MAX_SECONDS.least).max(MAX_SECONDS.most).optional(),
  greeting: z
    .string()
    .regex(/^[^\0]{1,4096}$/, 'must be a path')
    .optional(),
});

/** What whoever calls the user in vain is offered. */
export interface VoiceMailSettings {
  /** So long it rings before. */
  readonly ringSeconds: number;
  /** Of a recording. */
  readonly maxSeconds: number;
  /** Ogg Opus, as it was read at the start; absent: none. */
  readonly greeting?: Uint8Array;
}

/**
 * @returns undefined: none is taken
 * @throws {ConfigError} when the greeting cannot be read, or is something else
 */
export function voiceMailSettings(table: z.output<typeof voiceMailSchema> | undefined): VoiceMailSettings | undefined {
  if (table?.enable !== true) return undefined;
  const { ring_seconds: ringSeconds = RING_SECONDS.default, max_seconds: maxSeconds = MAX_SECONDS.default } = table;
  return { ringSeconds, maxSeconds, ...(table.greeting !== undefined && { greeting: readGreeting(table.greeting) }) };
}

function readGreeting(path: string): Uint8Array {
  const found = readNamedBytes(path, MAX_GREETING_BYTES);
  if (isOggOpus(found)) return found;
  throw new ConfigError(`${path}: must be Opus in Ogg: \`opusenc\` of opus-tools or \`ffmpeg -c:a libopus\` makes it`);
}
