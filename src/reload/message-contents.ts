import { MESSAGE_CODES } from './constants.ts';
import type { AppAttachAnswer, AppAttachRequest } from './messages/app-attach.ts';
import type { AttachAnswer, AttachRequest } from './messages/attach.ts';
import type { ConfigUpdateAnswer, ConfigUpdateRequest } from './messages/config-update.ts';
import type { ErrorResponse } from './messages/error.ts';
import type { ExperimentalBody } from './messages/experimental.ts';
import type { FetchAnswer, FetchRequest } from './messages/fetch.ts';
import type { FindAnswer, FindRequest } from './messages/find.ts';
import type { JoinAnswer, JoinRequest } from './messages/join.ts';
import type { LeaveAnswer, LeaveRequest } from './messages/leave.ts';
import type { PingAnswer, PingRequest } from './messages/ping.ts';
import type { ProbeAnswer, ProbeRequest } from './messages/probe.ts';
import type { RouteQueryAnswer, RouteQueryRequest } from './messages/route-query.ts';
import type { StatAnswer, StatRequest } from './messages/stat.ts';
import type { StoreAnswer, StoreRequest } from './messages/store.ts';
import type { UpdateAnswer, UpdateRequest } from './messages/update.ts';

/** A body with a message code that is not known here; written again as it came. */
export interface UnknownBody {
  readonly type: 'unknown';
  readonly bytes: Uint8Array;
}

/** The message codes of RFC 6940 s14.8 with a body that is known here. */
export type KnownBody =
  | ProbeRequest
  | ProbeAnswer
  | AttachRequest
  | AttachAnswer
  | StoreRequest
  | StoreAnswer
  | FetchRequest
  | FetchAnswer
  | FindRequest
  | FindAnswer
  | JoinRequest
  | JoinAnswer
  | LeaveRequest
  | LeaveAnswer
  | UpdateRequest
  | UpdateAnswer
  | RouteQueryRequest
  | RouteQueryAnswer
  | PingRequest
  | PingAnswer
  | StatRequest
  | StatAnswer
  | AppAttachRequest
  | AppAttachAnswer
  | ConfigUpdateRequest
  | ConfigUpdateAnswer
  | ExperimentalBody
  | ErrorResponse;

export type MessageBody = KnownBody | UnknownBody;

/** `struct { MessageExtensionType type; Boolean critical; opaque extension_contents<0..2^32-1>; } MessageExtension;` (RFC 6940 s6.3.3). */
export interface MessageExtension {
  readonly type: number;
  readonly critical: boolean;
  readonly contents: Uint8Array;
}

/** `struct { uint16 message_code; opaque message_body<0..2^32-1>; MessageExtension extensions<0..2^32-1>; } MessageContents;` (RFC 6940 s6.3.3). */
export interface MessageContents {
  /** MESSAGE_CODES; agrees with the type of the body. */
  readonly code: number;
  readonly body: MessageBody;
  readonly extensions: readonly MessageExtension[];
}

/** Contents with the code of the body. */
export function contentsOf(body: KnownBody, extensions: readonly MessageExtension[] = []): MessageContents {
  return { code: MESSAGE_CODES[body.type], body, extensions };
}
