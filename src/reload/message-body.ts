import type { ByteReader, ByteWriter } from '../base/bytes.ts';
import { MESSAGE_CODES } from './constants.ts';
import type { KnownBody, MessageBody } from './message-contents.ts';
import { decodeAppAttachAnswer, decodeAppAttachRequest, encodeAppAttach } from './messages/app-attach.ts';
import { decodeAttachAnswer, decodeAttachRequest, encodeAttach } from './messages/attach.ts';
import { decodeConfigUpdateRequest, encodeConfigUpdateRequest } from './messages/config-update.ts';
import { decodeErrorResponse, encodeErrorResponse } from './messages/error.ts';
import { decodeFetchAnswer, decodeFetchRequest, encodeFetchAnswer, encodeFetchRequest } from './messages/fetch.ts';
import { decodeFindAnswer, decodeFindRequest, encodeFindAnswer, encodeFindRequest } from './messages/find.ts';
import { decodeJoinAnswer, decodeJoinRequest, encodeJoinAnswer, encodeJoinRequest } from './messages/join.ts';
import { decodeLeaveRequest, encodeLeaveRequest } from './messages/leave.ts';
import { decodePingAnswer, decodePingRequest, encodePingAnswer, encodePingRequest } from './messages/ping.ts';
import { decodeProbeAnswer, decodeProbeRequest, encodeProbeAnswer, encodeProbeRequest } from './messages/probe.ts';
import {
  decodeRouteQueryAnswer,
  decodeRouteQueryRequest,
  encodeRouteQueryAnswer,
  encodeRouteQueryRequest,
} from './messages/route-query.ts';
import { decodeStatAnswer, decodeStatRequest, encodeStatAnswer, encodeStatRequest } from './messages/stat.ts';
import { decodeStoreAnswer, decodeStoreRequest, encodeStoreAnswer, encodeStoreRequest } from './messages/store.ts';
import { decodeUpdateRequest, encodeUpdateRequest } from './messages/update.ts';
import type { DataModelOf } from './stored-data.ts';

export type MessageName = keyof typeof MESSAGE_CODES;

const NAMES = new Map<number, MessageName>(
  (Object.keys(MESSAGE_CODES) as MessageName[]).map((name) => [MESSAGE_CODES[name], name]),
);

/** The registry's name of a message code (RFC 6940 s14.8). */
export function messageName(code: number): MessageName | undefined {
  return NAMES.get(code);
}

/** RFC 6940 s6.3.3: requests are odd, the answer is the next code. */
export function isRequest(code: number): boolean {
  return code < 0x8000 && code % 2 === 1;
}

export function encodeBody(writer: ByteWriter, body: MessageBody): void {
  switch (body.type) {
    case 'probe_req': {
      encodeProbeRequest(writer, body);
      return;
    }
    case 'probe_ans': {
      encodeProbeAnswer(writer, body);
      return;
    }
    case 'attach_req':
    case 'attach_ans': {
      encodeAttach(writer, body);
      return;
    }
    case 'store_req': {
      encodeStoreRequest(writer, body);
      return;
    }
    case 'store_ans': {
      encodeStoreAnswer(writer, body);
      return;
    }
    case 'fetch_req': {
      encodeFetchRequest(writer, body);
      return;
    }
    case 'fetch_ans': {
      encodeFetchAnswer(writer, body);
      return;
    }
    case 'find_req': {
      encodeFindRequest(writer, body);
      return;
    }
    case 'find_ans': {
      encodeFindAnswer(writer, body);
      return;
    }
    case 'join_req': {
      encodeJoinRequest(writer, body);
      return;
    }
    case 'join_ans': {
      encodeJoinAnswer(writer, body);
      return;
    }
    case 'leave_req': {
      encodeLeaveRequest(writer, body);
      return;
    }
    case 'update_req': {
      encodeUpdateRequest(writer, body);
      return;
    }
    case 'route_query_req': {
      encodeRouteQueryRequest(writer, body);
      return;
    }
    case 'route_query_ans': {
      encodeRouteQueryAnswer(writer, body);
      return;
    }
    case 'ping_req': {
      encodePingRequest(writer, body);
      return;
    }
    case 'ping_ans': {
      encodePingAnswer(writer, body);
      return;
    }
    case 'stat_req': {
      encodeStatRequest(writer, body);
      return;
    }
    case 'stat_ans': {
      encodeStatAnswer(writer, body);
      return;
    }
    case 'app_attach_req':
    case 'app_attach_ans': {
      encodeAppAttach(writer, body);
      return;
    }
    case 'config_update_req': {
      encodeConfigUpdateRequest(writer, body);
      return;
    }
    case 'leave_ans':
    case 'update_ans':
    case 'config_update_ans':
      return;
    case 'exp_a_req':
    case 'exp_a_ans':
    case 'exp_b_req':
    case 'exp_b_ans':
    case 'unknown': {
      writer.bytes(body.bytes);
      return;
    }
    case 'error': {
      encodeErrorResponse(writer, body);
      return;
    }
  }
}

/** Reads the body of a message; what is left over is the caller's to refuse. */
export function readBody(reader: ByteReader, code: number, dataModelOf: DataModelOf): MessageBody {
  const name = NAMES.get(code);
  return name === undefined ? { type: 'unknown', bytes: reader.rest() } : readKnownBody(reader, name, dataModelOf);
}

function readKnownBody(reader: ByteReader, name: MessageName, dataModelOf: DataModelOf): KnownBody {
  switch (name) {
    case 'probe_req':
      return decodeProbeRequest(reader);
    case 'probe_ans':
      return decodeProbeAnswer(reader);
    case 'attach_req':
      return decodeAttachRequest(reader);
    case 'attach_ans':
      return decodeAttachAnswer(reader);
    case 'store_req':
      return decodeStoreRequest(reader, dataModelOf);
    case 'store_ans':
      return decodeStoreAnswer(reader);
    case 'fetch_req':
      return decodeFetchRequest(reader, dataModelOf);
    case 'fetch_ans':
      return decodeFetchAnswer(reader, dataModelOf);
    case 'find_req':
      return decodeFindRequest(reader);
    case 'find_ans':
      return decodeFindAnswer(reader);
    case 'join_req':
      return decodeJoinRequest(reader);
    case 'join_ans':
      return decodeJoinAnswer(reader);
    case 'leave_req':
      return decodeLeaveRequest(reader);
    case 'update_req':
      return decodeUpdateRequest(reader);
    case 'route_query_req':
      return decodeRouteQueryRequest(reader);
    case 'route_query_ans':
      return decodeRouteQueryAnswer(reader);
    case 'ping_req':
      return decodePingRequest(reader);
    case 'ping_ans':
      return decodePingAnswer(reader);
    case 'stat_req':
      return decodeStatRequest(reader, dataModelOf);
    case 'stat_ans':
      return decodeStatAnswer(reader, dataModelOf);
    case 'app_attach_req':
      return decodeAppAttachRequest(reader);
    case 'app_attach_ans':
      return decodeAppAttachAnswer(reader);
    case 'config_update_req':
      return decodeConfigUpdateRequest(reader);
    case 'leave_ans':
    case 'update_ans':
    case 'config_update_ans':
      return { type: name };
    case 'exp_a_req':
    case 'exp_a_ans':
    case 'exp_b_req':
    case 'exp_b_ans':
      return { type: name, bytes: reader.rest() };
    case 'error':
      return decodeErrorResponse(reader);
  }
}
