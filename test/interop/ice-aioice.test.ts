import test from 'ava';
import { connectWith } from './support/foreign-ice-peer.ts';
import { INTEROP_DIRECTORY, setUpPart } from './support/foreign-program.ts';

const run = setUpPart('aioice') ? test : test.skip;
const peer = (role: string): [string, ...string[]] => [
  `${INTEROP_DIRECTORY}.venv/bin/python`,
  `${INTEROP_DIRECTORY}aioice/peer.py`,
  role,
  '127.0.0.1',
];

run('our controlling agent and aioice connect and exchange datagrams', (t) =>
  connectWith(t, peer('controlled'), 'controlling'),
);

run('our controlled agent and aioice connect and exchange datagrams', (t) =>
  connectWith(t, peer('controlling'), 'controlled'),
);
