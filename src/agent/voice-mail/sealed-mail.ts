import type { NodeId } from '../../base/node-id.ts';

/** What a head is sealed for: nobody can pass one off as that of another message, of another writer or in another mailbox. */
export function headContext(user: string, writer: NodeId, id: string): string {
  return `voice mail head ${user} ${writer} ${id}`;
}

/** What a recording is sealed for. */
export function recordingContext(user: string, writer: NodeId, id: string, savedAt: number): string {
  return `voice mail ${user} ${writer} ${id} ${savedAt}`;
}
