import { setImmediate as nextTurn } from 'node:timers/promises';

/** Of an array, as text at once. */
const AT_ONCE = 32;
const PIECE_CHARACTERS = 16_384;
/** Of the event loop, ms; then others have their turn. */
const TURN_MS = 2;

/**
 * As `JSON.stringify` and a line end, but of an answer with ten thousand links only a part in one turn of the event loop.
 * @returns UTF-8, in pieces.
 */
export async function answerBytes(answer: unknown): Promise<Buffer[]> {
  const out: Buffer[] = [];
  let text = '';
  let since = performance.now();
  for (const piece of piecesOf(answer)) {
    text += piece;
    if (text.length < PIECE_CHARACTERS) continue;
    out.push(Buffer.from(text));
    text = '';
    if (performance.now() - since < TURN_MS) continue;
    await nextTurn();
    since = performance.now();
  }
  return [...out, Buffer.from(`${text}\n`)];
}

/** @param value a tree of what JSON knows; `undefined` as `JSON.stringify` has it. */
function* piecesOf(value: unknown): Generator<string> {
  if (Array.isArray(value) && value.length > AT_ONCE) {
    for (let from = 0; from < value.length; from += AT_ONCE) {
      const text = JSON.stringify(value.slice(from, from + AT_ONCE));
      yield `${from === 0 ? '[' : ','}${text.slice(1, -1)}`;
    }
    yield ']';
  } else if (isRecord(value)) {
    let begin = '{';
    for (const [name, member] of Object.entries(value)) {
      // As it is where it is left out.
      if (member === undefined) continue;
      yield `${begin}${JSON.stringify(name)}:`;
      yield* piecesOf(member);
      begin = ',';
    }
    yield begin === '{' ? '{}' : '}';
  } else {
    yield JSON.stringify(value ?? null);
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}
