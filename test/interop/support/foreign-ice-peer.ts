import type { ExecutionContext } from 'ava';
import type { IceRole } from '../../../src/ice/ice-agent.ts';
import { ForeignProgram } from './foreign-program.ts';
import type { SdpParameters } from './sdp-candidates.ts';
import { UdpIceDriver } from './udp-ice-driver.ts';

/** Our agent and a foreign one connect over loopback, and a datagram goes each way on the selected pair. */
export async function connectWith(
  t: ExecutionContext,
  command: readonly [string, ...string[]],
  ourRole: IceRole,
): Promise<void> {
  const ours = await UdpIceDriver.open('127.0.0.1', ourRole);
  const program = new ForeignProgram(command);
  t.teardown(() => {
    program.end();
    ours.close();
  });
  program.tell(ours.parameters);
  ours.connect(await program.hear<SdpParameters>('its parameters'));
  await ours.selected();
  await ours.receives('hello');
  ours.send('are you there?');
  await ours.receives('echo are you there?');
  t.is(ours.agent.role, ourRole);
  t.is(ours.agent.state, 'connected');
  t.deepEqual(
    ours.events.map((event) => event.type).filter((type) => type !== 'valid'),
    ['selected'],
  );
}
