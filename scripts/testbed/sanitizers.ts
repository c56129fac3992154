import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { command } from './command.ts';

/** The addon built with AddressSanitizer and UndefinedBehaviorSanitizer (native/asan/binding.gyp). */
const SANITIZED_ADDON = join(import.meta.dirname, '../../native/asan/build/Release/idloc.node');

/** What a sanitizer writes when it found something. */
export const SANITIZER_REPORT = /AddressSanitizer|LeakSanitizer|runtime error:/;

/** With these a process loads that build; undefined: it was not built. Its run-time library has to come before all others. */
export async function sanitizedEnvironment(): Promise<Readonly<Record<string, string>> | undefined> {
  if (!existsSync(SANITIZED_ADDON)) return undefined;
  const runtime = (await command('g++', ['-print-file-name=libasan.so'])).trim();
  return {
    IDLOC_NATIVE_BUILD: 'asan',
    LD_PRELOAD: runtime,
    // What Node itself still holds when it exits is not ours to judge.
    ASAN_OPTIONS: 'detect_leaks=0',
    UBSAN_OPTIONS: 'print_stacktrace=1',
  };
}
