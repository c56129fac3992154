import { createServer } from 'node:http';
import type { IncomingMessage, RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { requestOfGateway } from '../../../src/agent/gateway-http.ts';
import { MAX_DOCUMENT_BYTES } from '../../../src/portmap/constants.ts';

async function serve(t: ExecutionContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/ctl`;
}

function get(url: string, signal = new AbortController().signal): ReturnType<typeof requestOfGateway> {
  return requestOfGateway({ method: 'GET', url, headers: {}, body: '' }, '127.0.0.1', signal);
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return text;
}

test('a request arrives as it was made, and its answer comes back, also an error', async (t) => {
  const seen: string[] = [];
  const url = await serve(t, (request, response) => {
    void bodyOf(request).then((body) => {
      seen.push(`${request.method ?? ''} ${String(request.headers.soapaction)} ${body}`);
      response.writeHead(500).end('<fault/>');
    });
  });
  const request = { method: 'POST' as const, url, headers: { SOAPAction: '"x#y"' }, body: '<action/>' };
  const { status, body } = await requestOfGateway(request, '127.0.0.1', new AbortController().signal);
  t.is(status, 500);
  t.is(Buffer.from(body).toString(), '<fault/>');
  t.deepEqual(seen, ['POST "x#y" <action/>']);
});

test('an answer without end is cut off', async (t) => {
  const url = await serve(t, (_, response) => {
    const more = (): void => {
      if (!response.destroyed) response.write('x'.repeat(8_192), () => setImmediate(more));
    };
    more();
  });
  await t.throwsAsync(get(url), { message: `more than ${MAX_DOCUMENT_BYTES} bytes` });
});

test('a redirect is an answer like others, and nobody follows it', async (t) => {
  let asked = 0;
  const url = await serve(t, (_, response) => {
    asked += 1;
    response.writeHead(302, { Location: '/elsewhere' }).end();
  });
  t.is((await get(url)).status, 302);
  t.is(asked, 1);
});

test('an answer that breaks off, and a request that is given up, are errors', async (t) => {
  const url = await serve(t, (_, response) => {
    response.writeHead(200, { 'Content-Length': '100' });
    response.write('half', () => response.destroy());
  });
  await t.throwsAsync(get(url));
  const giveUp = new AbortController();
  const silent = await serve(t, () => giveUp.abort());
  await t.throwsAsync(get(silent, giveUp.signal), { name: 'AbortError' });
});
