import test from 'ava';
import { flowBy } from '../../../../src/sip/flow.ts';
import {
  type KeptCall,
  keptFlow,
  readCall,
  readHead,
  writeCall,
  writeHead,
} from '../../../../src/sip/trunk/kept-calls.ts';

function callBy(transport: NonNullable<KeptCall['flows']['callee']>['transport']): KeptCall {
  const dialog = { target: 'sip:callee@203.0.113.1:5061', routes: [], isAnswered: true };
  const [local, remote] = [
    { address: '192.0.2.1', port: 5_064 },
    { address: '203.0.113.1', port: 5_061 },
  ];
  return {
    ...{ id: 'ab', callIds: { caller: 'one', callee: 'two' }, tags: { caller: 'a', own: 'b' } },
    names: { from: '<sip:a@x.example>', to: '<sip:b@x.example>', calledAs: '', callerFrom: '' },
    ...{ callerDialog: dialog, dialogs: [['callee', dialog]], cseqs: { caller: 1, callee: 2 }, invites: [] },
    ...{ flows: { caller: null, callee: { transport, local, remote } }, isEmergency: false, saidAt: 1_000 },
  };
}

for (const transport of ['udp', 'tcp', 'tls'] as const)
  test(`a call by ${transport} is read again as it was written, with a flow of ${transport} to the same server`, (t) => {
    const call = callBy(transport);
    const written = writeCall(call);
    t.regex(written ?? '', /^[^\n]+\n$/);
    const read = readCall(written ?? '');
    t.deepEqual(read, call);
    const { callee: flow } = call.flows;
    if (flow === null) return void t.fail();
    t.deepEqual(keptFlow(read?.flows.callee ?? flow), flowBy(transport, flow));
  });

test('the head of the file is read again as it was written; what is none is not', (t) => {
  const head = { domain: 'provider.example', savedAt: 2_000, now: 5 };
  t.deepEqual(readHead(writeHead(head)), { version: 2, ...head });
  for (const line of ['', '{', 'null', '{}', writeHead(head).replace('2', '3')]) t.is(readHead(line), undefined);
});

test('what could not be read again is not written', (t) => {
  t.is(writeCall({ ...callBy('udp'), id: 'no hexadecimal' }), undefined);
});
