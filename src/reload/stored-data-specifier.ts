/** `struct { int32 first; int32 last; } ArrayRange;` (RFC 6940 s7.4.2.1); unsigned here, since 0xffffffff is "the final element". */
export interface ArrayRange {
  readonly first: number;
  readonly last: number;
}

/** What of a Kind is asked for; `opaque` where the Kind is not known here. No keys: all entries. */
export type ModelSpecifier =
  | { readonly model: 'single' }
  | { readonly model: 'array'; readonly ranges: readonly ArrayRange[] }
  | { readonly model: 'dictionary'; readonly keys: readonly Uint8Array[] }
  | { readonly model: 'opaque'; readonly bytes: Uint8Array };

/**
 * RFC 6940 s7.4.2.1.
 *
 * ```
 * struct {
 *   KindId kind;  uint64 generation;  uint16 length;
 *   select (DataModel) {
 *     case single_value: ;
 *     case array:      ArrayRange indices<0..2^16-1>;
 *     case dictionary: DictionaryKey keys<0..2^16-1>;
 *   } model_specifier;
 * } StoredDataSpecifier;
 * ```
 */
export interface StoredDataSpecifier {
  readonly kind: number;
  readonly generation: bigint;
  readonly specifier: ModelSpecifier;
}
