import test from 'ava';
import type { IceParameters } from '../../../src/base/candidate.ts';
import { deriveSecrets, nameAssociation, namedAssociation } from '../../../src/link/association-secrets.ts';

const parameters: IceParameters = {
  ufrag: 'abcd',
  pwd: 'efgh',
  candidates: [
    { type: 'host', address: { address: '192.0.2.1', port: 1 }, priority: 1, foundation: '1' },
    { type: 'host', address: { address: '192.0.2.2', port: 1 }, priority: 2, foundation: '2' },
  ],
};

test('both ends derive the same, another association something else', (t) => {
  const one = deriveSecrets(new Uint8Array(32).fill(1));
  t.deepEqual(one, deriveSecrets(new Uint8Array(32).fill(1)));
  const other = deriveSecrets(new Uint8Array(32).fill(2));
  t.not(one.id, other.id);
  t.not(one.client.pwd, other.client.pwd);
});

test('credentials are ice-chars of allowed lengths, and differ at both ends', (t) => {
  const { id, client, server } = deriveSecrets(new Uint8Array(32));
  t.regex(id, /^[0-9a-f]{16}$/);
  for (const { ufrag, pwd } of [client, server]) {
    t.regex(ufrag, /^[0-9a-zA-Z+/]{4,256}$/);
    t.regex(pwd, /^[0-9a-zA-Z+/]{22,256}$/);
  }
  t.not(client.ufrag, server.ufrag);
  t.not(client.pwd, server.pwd);
});

test('the name of an association travels with the first candidate', (t) => {
  const named = nameAssociation(parameters, '0123456789abcdef');
  t.is(namedAssociation(named), '0123456789abcdef');
  t.is(named.candidates[1]?.extensions, undefined);
  t.is(namedAssociation(parameters), undefined);
});

test('without candidates there is nothing to carry the name', (t) => {
  t.is(namedAssociation(nameAssociation({ ...parameters, candidates: [] }, '00')), undefined);
});
