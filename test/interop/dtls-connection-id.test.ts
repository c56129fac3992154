import type { ExecutionContext } from 'ava';
import test from 'ava';
import { Host } from '../native/support/host.ts';
import { INTEROP_DIRECTORY, ForeignProgram, setUpPart } from './support/foreign-program.ts';
import { within } from './support/within.ts';

/** pion/dtls, which has RFC 9146 and not RFC 9853: it answers a link control echo, and moves at once itself. */

const run = setUpPart('pion-dtls') ? test : test.skip;
const RECORDS = 200;
const PORT_CHANGES = 20;

interface Association {
  readonly host: Host;
  readonly link: number;
  readonly program: ForeignProgram;
}

/** `bytes` of connection ID are what pion wants; 0: none, but it sends ours; -1: it knows no connection IDs. */
async function connect(
  t: ExecutionContext,
  { ours, bytes, padding = 0 }: { ours: 'client' | 'server'; bytes: number; padding?: number },
): Promise<Association> {
  const host = await Host.start();
  const program = new ForeignProgram([
    `${INTEROP_DIRECTORY}pion-dtls/pion-dtls`,
    ...['id', ours === 'client' ? 'server' : 'client', String(host.plane.port), String(bytes), String(padding)],
  ]);
  t.teardown(() => {
    program.end();
    host.plane.close();
  });
  const { port } = await program.hear<{ port: number }>('its port');
  let link: number;
  if (ours === 'client') {
    link = host.plane.openLink('client');
    host.plane.setPath(link, null, { address: '127.0.0.1', port });
  } else {
    ({ link } = await within(host.next('incoming'), 'cookie'));
  }
  await within(host.next('connected'), 'handshake');
  await program.hear('the end of the handshake');
  return { host, link, program };
}

async function exchange(t: ExecutionContext, { host, link }: Association, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const record = Uint8Array.from(Buffer.concat([Uint8Array.of(0x80), Buffer.alloc(1 + ((i * 37) % 1100), i)]));
    host.plane.sendRecord(link, record);
    t.deepEqual((await within(host.next('record'), `record ${i}`)).data, record);
  }
}

for (const ours of ['client', 'server'] as const) {
  for (const bytes of [-1, 0, 1, 5, 8, 20]) {
    const wants = bytes < 0 ? 'that knows no connection IDs' : `that wants ${bytes} bytes of connection ID`;
    run(`we as ${ours} and a pion ${wants} exchange records`, async (t) => {
      const association = await connect(t, { ours, bytes });
      await exchange(t, association, RECORDS);
      t.is(association.host.counter('dropBadRecord'), 0);
      t.is(association.host.counter('dropUnknownConnection'), 0);
    });
  }

  run(`we as ${ours} take records of pion with padding`, async (t) => {
    const association = await connect(t, { ours, bytes: 8, padding: 100 });
    await exchange(t, association, RECORDS);
    t.is(association.host.counter('dropBadRecord'), 0);
  });

  run(`we as ${ours} follow pion to every new port`, async (t) => {
    const association = await connect(t, { ours, bytes: 8 });
    const { host, link, program } = association;
    for (let i = 0; i < PORT_CHANGES; i++) {
      program.tell('move');
      const { port } = await program.hear<{ port: number }>('its new port');
      t.is(Buffer.from((await within(host.next('record'), 'record')).data.subarray(1)).toString(), 'from another port');
      const moved = await within(host.next('moved'), 'answer from there');
      t.is(moved.link, link);
      t.is(moved.remote.port, port);
      await exchange(t, association, 5);
    }
    t.is(host.plane.linkCounters(link)?.handshakes, 1);
  });
}
