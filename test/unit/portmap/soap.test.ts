import test from 'ava';
import { MalformedMessageError } from '../../../src/base/errors.ts';
import { decodeActionAnswer, encodeAction } from '../../../src/portmap/soap.ts';

const SERVICE = {
  type: 'urn:schemas-upnp-org:service:WANIPConnection:1',
  controlUrl: 'http://192.168.1.1:5000/ctl/IPConn',
};

function envelope(body: string): Uint8Array {
  return Buffer.from(
    `<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>${body}</s:Body></s:Envelope>`,
  );
}

function fault(code: string, description: string): Uint8Array {
  return envelope(
    `<s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring><detail>
     <UPnPError xmlns="urn:schemas-upnp-org:control-1-0"><errorCode>${code}</errorCode>
     <errorDescription>${description}</errorDescription></UPnPError></detail></s:Fault>`,
  );
}

test('an action names its service, and its arguments in order', (t) => {
  const { method, url, headers, body } = encodeAction(SERVICE, 'DeletePortMapping', {
    NewRemoteHost: '',
    NewExternalPort: 6084,
    NewProtocol: 'UDP',
  });
  t.is(method, 'POST');
  t.is(url, SERVICE.controlUrl);
  t.is(headers.SOAPAction, '"urn:schemas-upnp-org:service:WANIPConnection:1#DeletePortMapping"');
  t.regex(
    body,
    /<u:DeletePortMapping xmlns:u="urn:[^"]*:1"><NewRemoteHost><\/NewRemoteHost><NewExternalPort>6084<\/NewExternalPort><NewProtocol>UDP<\/NewProtocol><\/u:DeletePortMapping>/,
  );
});

test('an answer is read whatever prefixes it has, also one with a zero byte at its end', (t) => {
  const answer = Buffer.concat([
    envelope(
      '<m:GetExternalIPAddressResponse><NewExternalIPAddress> 44.128.0.1 </NewExternalIPAddress></m:GetExternalIPAddressResponse>',
    ),
    Buffer.of(0),
  ]);
  const decoded = decodeActionAnswer('GetExternalIPAddress', 200, answer);
  t.is(decoded.ok ? decoded.values.get('NewExternalIPAddress') : undefined, '44.128.0.1');
});

test("a fault says UPnP's error, fit for a log", (t) => {
  const decoded = decodeActionAnswer('AddPortMapping', 500, fault('718', 'Conflict\tIn\nMappingEntry\u{1f4a5}'));
  t.deepEqual(decoded, { ok: false, code: 718, why: 'error 718 (ConflictInMappingEntry)' });
});

test('what is neither an answer nor a fault is no success', (t) => {
  t.deepEqual(decodeActionAnswer('AddPortMapping', 401, new Uint8Array(0)), {
    ok: false,
    code: undefined,
    why: 'HTTP status 401',
  });
  t.false(decodeActionAnswer('AddPortMapping', 200, envelope('<u:OtherResponse/>')).ok);
  t.false(decodeActionAnswer('AddPortMapping', 500, fault('many', '')).ok);
  t.throws(() => decodeActionAnswer('AddPortMapping', 200, Buffer.from('<html><br></html>')), {
    instanceOf: MalformedMessageError,
  });
});
