import test from 'ava';
import { askedValues } from '../../../../src/overlay/handlers/asked-values.ts';
import type { HandlerContext, IncomingRequest } from '../../../../src/overlay/handlers/handler.ts';
import type { SignedValue } from '../../../../src/overlay/storage/admission.ts';
import { IDLOC_NAME } from '../../../../src/overlay/storage/kinds.ts';
import { EMPTY_SIGNATURE, ERROR_CODES, type FetchRequest, type ModelSpecifier } from '../../../../src/reload/index.ts';

const VALUE_BYTES = 300;
const MAX_MESSAGE_BYTES = 5_000;

/** Of each Kind one entry is stored, and read by what is asked for. */
function asking(specifiers: readonly { specifier: ModelSpecifier; generation?: bigint; kind?: number }[]) {
  const value = { model: 'dictionary' as const, key: Uint8Array.of(1), exists: true, value: new Uint8Array() };
  const entry = {
    data: { storageTime: 1n, lifetime: 100, value, signature: EMPTY_SIGNATURE },
    signer: { nodeId: '1', user: null, spki: value.value, chain: [], hash: '' },
  } satisfies SignedValue;
  let reads = 0;
  let failed: number | undefined;
  const context = {
    verifier: { kind: () => IDLOC_NAME },
    settings: { maxMessageBytes: MAX_MESSAGE_BYTES },
    store: {
      values: () => {
        reads += 1;
        return [entry];
      },
      generation: () => 7n,
    },
  } as unknown as HandlerContext;
  const request = {
    body: {
      type: 'fetch_req',
      resource: '00',
      specifiers: specifiers.map(({ specifier, generation = 0n, kind = IDLOC_NAME.id }) => ({
        ...{ kind, generation, specifier },
      })),
    },
    fail: (code: number) => (failed = code),
  } as unknown as IncomingRequest<FetchRequest>;
  let weighed = 0;
  const weigh = (): number => {
    weighed += 1;
    return VALUE_BYTES;
  };
  const asked = askedValues(request, context, weigh, 0);
  return { asked, reads, failed, weighed };
}

const ALL = { specifier: { model: 'dictionary' as const, keys: [] } };

/** Each of another Kind. */
const kinds = (count: number, generation = 0n): Parameters<typeof asking>[0] =>
  Array.from({ length: count }, (_, kind) => ({ ...ALL, kind, generation }));

test('each Kind is read', (t) => {
  const { asked, reads } = asking(kinds(3));
  t.is(asked?.length, 3);
  t.true(asked?.every(({ stored, generation }) => stored.length === 1 && generation === 7n));
  t.is(reads, 3);
});

test('a Kind that is named twice is invalid', (t) => {
  const { asked, failed, reads } = asking([...kinds(2), ...kinds(1)]);
  t.is(asked, undefined);
  t.is(failed, ERROR_CODES.invalid_message);
  t.true(reads <= 2);
});

test('no more is gathered than an answer holds', (t) => {
  const { asked, failed, weighed } = asking(kinds(32));
  t.is(asked, undefined);
  t.is(failed, ERROR_CODES.response_too_large);
  t.is(weighed, Math.floor(MAX_MESSAGE_BYTES / VALUE_BYTES) + 1);
});

test('what is named and not there counts as well', (t) => {
  const keys = Array.from({ length: 60 }, (_, i) => Uint8Array.of(2, i));
  const { failed, weighed } = asking([{ specifier: { model: 'dictionary', keys } }, { ...ALL, kind: 1 }]);
  t.is(failed, ERROR_CODES.response_too_large);
  t.is(weighed, keys.length);
});

test('whoever has the latest generation gets nothing again', (t) => {
  const { asked, weighed } = asking(kinds(32, 7n));
  t.true(asked?.every(({ stored, absent }) => stored.length === 0 && absent.length === 0));
  t.is(weighed, 0);
});

test('more specifiers than are answered, and one of another data model, are invalid', (t) => {
  t.is(asking(kinds(33)).failed, ERROR_CODES.invalid_message);
  t.is(asking([{ specifier: { model: 'single' } }]).failed, ERROR_CODES.invalid_message);
});
