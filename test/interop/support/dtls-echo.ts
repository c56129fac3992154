import type { ExecutionContext } from 'ava';
import type { IceRole } from '../../../src/ice/ice-agent.ts';
import { DataPlaneEnd, fingerprintOf } from './data-plane-end.ts';
import { ForeignProgram } from './foreign-program.ts';
import type { SdpParameters } from './sdp-candidates.ts';
import { within } from './within.ts';

/** More under way would only measure the receive buffers of the kernel. */
const WINDOW = 32;
const RECORDS = 1000;
const MAX_RECORD_BYTES = 1120;

/** What a foreign program says when its handshake is done. */
interface Established {
  readonly connected: boolean;
  readonly exporter: string;
  readonly suite: string;
}

export interface DtlsEchoOptions {
  readonly command: readonly [string, ...string[]];
  readonly ourRole: IceRole;
  /** Who sends close_notify. */
  readonly closer: 'we' | 'they';
  /** As that program calls ECDHE-ECDSA-AES128-GCM-SHA256. */
  readonly suite: string;
  /** What the foreign program reports when we close. */
  readonly closedWord: string;
}

/**
 * ICE over the data plane's socket, then a mutual handshake, checked by fingerprints at both ends; a thousand records go
 * there and back; one end closes and the other sees it.
 */
export async function echoOverDtls(t: ExecutionContext, options: DtlsEchoOptions): Promise<void> {
  const ours = await DataPlaneEnd.open(options.ourRole);
  const program = new ForeignProgram(options.command);
  t.teardown(() => {
    program.end();
    ours.close();
  });
  program.tell({ ...ours.parameters, fingerprint: ours.fingerprint });
  const theirs = await program.hear<SdpParameters & { readonly fingerprint: string }>('its parameters');
  ours.connect(theirs);
  const [established, { certificates, exporter }] = await Promise.all([
    program.hear<Established>('the end of the handshake'),
    ours.connected(),
  ]);
  t.is(ours.agent.role, options.ourRole);
  t.is(fingerprintOf(certificates[0]), theirs.fingerprint);
  t.deepEqual(established, {
    connected: true,
    exporter: Buffer.from(exporter).toString('hex'),
    suite: options.suite,
  });

  await exchange(t, ours);
  if (options.closer === 'we') {
    ours.host.plane.closeLink(ours.link);
    t.deepEqual(await program.hear('our close_notify'), { closed: options.closedWord });
  } else {
    program.tell('close');
    const closed = await within(
      ours.host.next('closed', ({ link }) => link === ours.link),
      'close_notify',
    );
    t.deepEqual(closed, { type: 'closed', link: ours.link, reason: 'closed by the peer' });
  }
}

/** All sizes from the least to the most a record may have, each with its number. */
function recordNumber(number: number): Uint8Array {
  const bytes = Buffer.alloc(5 + ((number * 7) % (MAX_RECORD_BYTES - 4)), number);
  bytes[0] = 0x80;
  bytes.writeUInt32BE(number, 1);
  return Uint8Array.from(bytes);
}

async function exchange(t: ExecutionContext, ours: DataPlaneEnd): Promise<void> {
  let sent = 0;
  for (let received = 0; received < RECORDS; received++) {
    while (sent < RECORDS && sent < received + WINDOW) ours.send(recordNumber(sent++));
    const data = await ours.record();
    if (Buffer.compare(data, recordNumber(received)) !== 0) return t.fail(`record ${received} did not come back`);
  }
  t.is(ours.host.counter('recordsReceived'), RECORDS);
  t.is(ours.host.counter('dropBadRecord'), 0);
}
