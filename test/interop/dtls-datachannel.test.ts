import type { ExecutionContext } from 'ava';
import test from 'ava';
import { cleanup } from 'node-datachannel';
import type { IceRole } from '../../src/ice/ice-agent.ts';
import type { OurDescription, TheirDescription } from './support/data-channel-peer.ts';
import { DataChannelPeer } from './support/data-channel-peer.ts';
import { DataPlaneEnd, fingerprintOf } from './support/data-plane-end.ts';
import { SctpAssociation, STRING } from './support/sctp-association.ts';
import { CHUNK, encodeSctp } from './support/sctp.ts';
import { within } from './support/within.ts';

/**
 * libdatachannel: ICE by libjuice, DTLS, and SCTP in its records. Its SCTP port is the first field of these, so it must be
 * 0x8000 for them to come up. It takes over the port of an offer; in its own offer it is 5000.
 */

test.after.always(() => cleanup());

async function open(t: ExecutionContext, role: IceRole): Promise<{ ours: DataPlaneEnd; theirs: DataChannelPeer }> {
  const ours = await DataPlaneEnd.open(role);
  const theirs = new DataChannelPeer();
  t.teardown(() => {
    theirs.connection.close();
    ours.close();
  });
  return { ours, theirs };
}

async function connect(
  t: ExecutionContext,
  ours: DataPlaneEnd,
  theirs: DataChannelPeer,
  description: TheirDescription,
): Promise<void> {
  ours.connect(description);
  const { certificates } = await ours.connected();
  t.is(fingerprintOf(certificates[0]), description.fingerprint);
  t.is(theirs.remoteFingerprint, ours.fingerprint);
}

/** A channel that we open, a message on it from each side. */
async function exchange(
  t: ExecutionContext,
  ours: DataPlaneEnd,
  theirs: DataChannelPeer,
  stream: number,
): Promise<SctpAssociation> {
  const opened = theirs.channel();
  const association = await SctpAssociation.accept(ours);
  await theirs.reaches('connected');
  await association.openChannel(stream, 'ours');
  const channel = await within(opened, 'channel');
  t.is(channel.getLabel(), 'ours');
  const heard = new Promise((resolve) => channel.onMessage(resolve));
  association.sendMessage({ stream, protocol: STRING, data: Buffer.from('from idloc') });
  t.is(await within(heard, 'message'), 'from idloc');
  channel.sendMessage('from libdatachannel');
  const { data, ...rest } = await association.message();
  t.deepEqual(rest, { stream, protocol: STRING });
  t.is(Buffer.from(data).toString(), 'from libdatachannel');
  return association;
}

test('libdatachannel answers our controlling agent as DTLS client, and a data channel works until it closes', async (t) => {
  const { ours, theirs } = await open(t, 'controlling');
  const answer = await theirs.answer({ end: ours, setup: 'actpass', sctpPort: SctpAssociation.PORT });
  t.is(answer.setup, 'active');
  t.is(answer.sctpPort, SctpAssociation.PORT);
  await connect(t, ours, theirs, answer);
  const association = await exchange(t, ours, theirs, 1);
  t.is(ours.agent.role, 'controlling');
  // It sends no close_notify.
  theirs.connection.close();
  await t.notThrowsAsync(association.aborted());
});

test('libdatachannel answers as controlling DTLS server, and a data channel works until we close', async (t) => {
  const { ours, theirs } = await open(t, 'controlled');
  const offer: OurDescription = { end: ours, setup: 'active', sctpPort: SctpAssociation.PORT, lite: true };
  const answer = await theirs.answer(offer);
  t.is(answer.setup, 'passive');
  await connect(t, ours, theirs, answer);
  await exchange(t, ours, theirs, 0);
  t.is(ours.agent.role, 'controlled');
  ours.host.plane.closeLink(ours.link);
  await theirs.reaches('closed');
});

test('libdatachannel offers to our controlled agent as DTLS server, and records go both ways', async (t) => {
  const { ours, theirs } = await open(t, 'controlled');
  const offer = await theirs.offer();
  t.is(offer.setup, 'actpass');
  theirs.takeAnswer({ end: ours, setup: 'active', sctpPort: SctpAssociation.PORT });
  await connect(t, ours, theirs, offer);
  t.is(ours.agent.role, 'controlled');
  // Its packets begin with the high byte of its port: they are opened, counted and dropped as of no known content.
  await ours.host.reached('dropUnexpectedContent', 1);
  const initBytes = Number(ours.host.plane.linkCounters(ours.link)?.rxBytes);
  const init = Buffer.alloc(16);
  init.writeUInt32BE(0x1d10c001, 0); // tag
  init.writeUInt32BE(0x10000, 4); // receive window
  init.writeUInt32BE(0x00010001, 8); // one stream each way
  init.writeUInt32BE(1, 12); // first TSN
  ours.send(
    encodeSctp({
      sourcePort: SctpAssociation.PORT,
      destinationPort: offer.sctpPort,
      verificationTag: 0,
      chunks: [{ type: CHUNK.init, flags: 0, value: init }],
    }),
  );
  // It answers with INIT ACK, which has a cookie and so another length than one more INIT.
  const answered = async (): Promise<void> => {
    while (Number(ours.host.plane.linkCounters(ours.link)?.rxBytes) % initBytes === 0)
      await new Promise((resolve) => setImmediate(resolve));
  };
  await within(answered(), 'INIT ACK');
  t.is(ours.host.counter('dropBadRecord'), 0);
  ours.host.plane.closeLink(ours.link);
  await theirs.reaches('closed');
});
