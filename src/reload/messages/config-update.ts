import type { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { MAX_KINDS } from '../constants.ts';
import { malformed, readList, readOpaque, writeList, writeOpaque, writeU8 } from '../wire.ts';

/**
 * RFC 6940 s6.5.4.1: a configuration document, or kind-block productions, in UTF-8.
 *
 * ```
 * struct {
 *   ConfigUpdateType type;  uint32 length;
 *   select (type) {
 *     case config: opaque config_data<0..2^24-1>;
 *     case kind:   KindDescription kinds<0..2^24-1>;      // opaque KindDescription<0..2^16-1>
 *   };
 * } ConfigUpdateReq;
 * ```
 */
export type ConfigUpdateContent =
  | { readonly type: 'config'; readonly configData: Uint8Array }
  | { readonly type: 'kind'; readonly kinds: readonly Uint8Array[] }
  | { readonly type: 'unknown'; readonly code: number; readonly data: Uint8Array };

export interface ConfigUpdateRequest {
  readonly type: 'config_update_req';
  readonly content: ConfigUpdateContent;
}

/** RFC 6940 s6.5.4.2: "The response for ConfigUpdate is empty." */
export interface ConfigUpdateAnswer {
  readonly type: 'config_update_ans';
}

const CONFIG = 1;
const KIND = 2;

export function encodeConfigUpdateRequest(writer: ByteWriter, { content }: ConfigUpdateRequest): void {
  switch (content.type) {
    case 'config':
      writer.u8(CONFIG);
      writer.vector(4, () => writeOpaque(writer, 3, content.configData));
      return;
    case 'kind':
      writer.u8(KIND);
      writer.vector(4, () => writeList(writer, 3, content.kinds, (_, kind) => writeOpaque(writer, 2, kind)));
      return;
    case 'unknown':
      if (content.code <= KIND) throw new RangeError(`${content.code} is not an unknown ConfigUpdateType`);
      writeU8(writer, content.code);
      writeOpaque(writer, 4, content.data);
  }
}

export function decodeConfigUpdateRequest(reader: ByteReader): ConfigUpdateRequest {
  const at = reader.offset;
  const code = reader.u8();
  if (code === 0) malformed(at, 'ConfigUpdateType 0 is invalid');
  const data = reader.vector(4);
  const content = readContent(code, data);
  data.end();
  return { type: 'config_update_req', content };
}

function readContent(code: number, data: ByteReader): ConfigUpdateContent {
  switch (code) {
    case CONFIG:
      return { type: 'config', configData: readOpaque(data, 3) };
    case KIND:
      return { type: 'kind', kinds: readList(data.vector(3), MAX_KINDS, (list) => readOpaque(list, 2)) };
    default:
      return { type: 'unknown', code, data: data.rest() };
  }
}
