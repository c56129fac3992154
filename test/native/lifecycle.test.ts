import test from 'ava';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { IdlocError } from '../../src/base/errors.ts';
import { createDataPlane } from '../../src/native/native.ts';
import { COUNTER_NAMES } from '../../src/native/counters.ts';
import { loadAddon } from '../../src/native/addon.ts';
import { Host, connect } from './support/host.ts';
import { makeCredentials } from './support/credentials.ts';

test('close may be called twice, and every call after it does nothing', async (t) => {
  const host = await Host.start();
  const { plane } = host;
  const link = plane.openLink('server');
  plane.close();
  plane.close();
  t.notThrows(() => {
    plane.sendDatagram(null, host.at(), Uint8Array.of(1));
    plane.bindRemote(link, host.at());
    plane.unbindRemote(link, host.at());
    plane.setPath(link, null, host.at());
    plane.sendRecord(link, Uint8Array.of(0x80));
    plane.closeLink(link);
    plane.refuse('198.18.0.9');
    plane.openLink('client');
  });
  t.deepEqual(plane.drain(), []);
  t.is(plane.linkCounters(link), undefined);
  t.is(plane.counters.length, COUNTER_NAMES.length);
});

test('closing in the middle of handshakes and records leaves nothing hanging', async (t) => {
  const credentials = await makeCredentials('host');
  for (let round = 0; round < 20; round++) {
    const [client, server] = [await Host.start({}, credentials), await Host.start({}, credentials)];
    if (round % 2 === 0) {
      const { clientLink } = await connect(client, server);
      for (let i = 0; i < 500; i++) client.plane.sendRecord(clientLink, new Uint8Array(1000).fill(0x80));
    } else {
      for (let i = 0; i < 20; i++) client.plane.setPath(client.plane.openLink('client'), null, server.at());
    }
    server.plane.close();
    client.plane.close();
  }
  t.pass();
});

test('a handler may close the data plane that woke it', async (t) => {
  const host = await Host.start();
  const other = await Host.start();
  const closed = new Promise<void>((resolve) => {
    host.plane.onWake(() => {
      host.plane.close();
      resolve();
    });
  });
  other.plane.sendDatagram(null, host.at(), Uint8Array.of(1));
  other.plane.sendDatagram(null, host.at(), Uint8Array.of(1));
  await closed;
  other.plane.close();
  t.deepEqual(host.plane.drain(), []);
});

test('events that come faster than they are taken leave the event loop to others between two turns', async (t) => {
  const total = 500;
  const [sender, receiver] = [await Host.start(), await Host.start({ limits: { linkEvents: total } })];
  const { client, server, clientLink } = await connect(sender, receiver);
  let taken = 0;
  let takenBefore = Infinity;
  const all = new Promise<void>((resolve) => {
    server.plane.onWake(() => {
      // Somebody else, whose turn comes with the next one of the loop.
      if (taken === 0) setImmediate(() => (takenBefore = taken));
      taken += server.plane.drain(1).length;
      if (taken === total) resolve();
    });
  });
  for (let i = 0; i < total; i++) client.plane.sendRecord(clientLink, Uint8Array.of(0x80, 1));
  // All are there before the first is taken.
  while (server.counter('recordsReceived') < total) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
  await all;
  t.true(takenBefore <= 2, `${takenBefore} were taken before`);
  client.plane.close();
  server.plane.close();
});

test('a worker has its own data plane, and its end closes it', async (t) => {
  const source = `
    import { parentPort } from 'node:worker_threads';
    const { createDataPlane } = await import(${JSON.stringify(new URL('../../src/native/native.ts', import.meta.url).href)});
    const plane = createDataPlane({ port: 0, tun: null });
    plane.onWake(() => parentPort.postMessage(plane.drain()[0].data[0]));
    parentPort.postMessage(plane.port);
  `;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`));
  const [port] = (await once(worker, 'message')) as [number];
  const host = await Host.start();
  host.plane.sendDatagram(null, { address: '127.0.0.1', port }, Uint8Array.of(3));
  t.deepEqual(await once(worker, 'message'), [3]);
  await worker.terminate();
  // The port is free again: the thread is gone.
  const next = createDataPlane({ port, tun: null });
  t.is(next.port, port);
  next.close();
  host.plane.close();
});

test('what the function that is woken throws is an uncaught exception', async (t) => {
  const source = `
    import { parentPort } from 'node:worker_threads';
    const { loadAddon } = await import(${JSON.stringify(new URL('../../src/native/addon.ts', import.meta.url).href)});
    const { DataPlane } = loadAddon();
    const plane = new DataPlane(0, null, 0, () => { throw new Error('from the wake-up'); }, {});
    parentPort.postMessage(plane.port);
  `;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`));
  const failed = new Promise<Error>((resolve) => worker.once('error', resolve));
  const [port] = (await once(worker, 'message')) as [number];
  const host = await Host.start();
  host.plane.sendDatagram(null, { address: '127.0.0.1', port }, Uint8Array.of(3));
  t.is((await failed).message, 'from the wake-up');
  host.plane.close();
});

test('a worker ends while its data planes, closed and open ones, are being woken', async (t) => {
  const source = `
    const { createDataPlane } = await import(${JSON.stringify(new URL('../../src/native/native.ts', import.meta.url).href)});
    const planes = Array.from({ length: 4 }, () => createDataPlane({ port: 0, tun: null }));
    for (const to of planes)
      for (let i = 0; i < 50; i++)
        planes[0].sendDatagram(null, { address: '127.0.0.1', port: to.port }, Uint8Array.of(3));
    planes[1].close();
    planes[2].onWake(() => planes[2].close());
    planes[3].onWake(() => process.exit(7));
  `;
  // Which of them is woken after the end is chance.
  const statuses: number[] = [];
  for (let round = 0; round < 20; round++) {
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`));
    statuses.push(...((await once(worker, 'exit')) as number[]));
  }
  t.deepEqual(statuses, Array<number>(20).fill(7));
});

test('a port in use is one clear error', async (t) => {
  const host = await Host.start();
  const error = t.throws(() => createDataPlane({ port: host.plane.port, tun: null }), { instanceOf: IdlocError });
  t.is(error.code, 'port_in_use');
  t.regex(error.message, /in use.*choose another port/);
  host.plane.close();
});

test('credentials that do not fit are refused and name the reason', async (t) => {
  const [one, other] = [await makeCredentials('one'), await makeCredentials('other')];
  const host = await Host.start();
  const wrong: [readonly Uint8Array[], Uint8Array][] = [
    [[one.certificate], other.privateKey],
    [[], one.privateKey],
    [[Uint8Array.of(1, 2, 3)], one.privateKey],
    [[one.certificate], Uint8Array.of(4)],
  ];
  for (const [certificates, key] of wrong) {
    const error = t.throws(() => host.plane.setCredentials(certificates, key), { instanceOf: IdlocError });
    t.is(error.code, 'bad_credentials');
  }
  host.plane.close();
});

test('wrong arguments are TypeErrors of the addon, not crashes', (t) => {
  const { DataPlane } = loadAddon();
  const Loose = DataPlane as unknown as new (...args: unknown[]) => Record<string, (...args: unknown[]) => unknown>;
  for (const args of [
    [],
    ['x'],
    [0, 1, 0, () => 0],
    [0, null, 0],
    [70_000, null, 0, () => 0, {}],
    [0, null, 0, () => 0],
    [0, null, 0, () => 0, { heldBytes: 'x' }],
    [0, null, 0, () => 0, {}, true, false, 1, 'x'],
  ])
    t.throws(() => new Loose(...args), { instanceOf: TypeError });
  const plane = new Loose(0, null, 0, () => 0, {});
  for (const method of [
    'bindRemote',
    'unbindRemote',
    'setPath',
    'clearPath',
    'closeLink',
    'rest',
    'sendRecord',
    'authorize',
    'refuse',
    'drain',
    'openLink',
    'setCredentials',
    'sendDatagram',
    'setLocalAddresses',
    'linkCounters',
  ])
    for (const args of [[], [{}], ['x', null], [null]])
      t.throws(() => plane[method]?.(...args), { instanceOf: TypeError }, `${method}(${JSON.stringify(args)})`);
  plane['close']?.();
});
