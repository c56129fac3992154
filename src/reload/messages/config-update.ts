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
