import test from 'ava';
import { connectWith } from './support/foreign-ice-peer.ts';
import { INTEROP_DIRECTORY, setUpPart } from './support/foreign-program.ts';

const run = setUpPart('pion-ice') ? test : test.skip;
const peer = (role: string): [string, ...string[]] => [`${INTEROP_DIRECTORY}pion-ice/pion-ice`, role];

run('our controlling agent and pion/ice connect and exchange datagrams', (t) =>
  connectWith(t, peer('controlled'), 'controlling'),
);

run('our controlled agent and pion/ice connect and exchange datagrams', (t) =>
  connectWith(t, peer('controlling'), 'controlled'),
);
