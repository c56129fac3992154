import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { defaultGateway, parseDefaultGateway } from '../../../src/agent/default-gateway.ts';

const HEADER =
  'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT                                                       \n';

function route(
  name: string,
  destination: string,
  gateway: string,
  flags: string,
  metric: number,
  mask: string,
): string {
  return `${name}\t${destination}\t${gateway}\t${flags}\t0\t0\t${metric}\t${mask}\t0\t0\t0\n`;
}

test('the default route with the least metric gives the router', (t) => {
  const table =
    HEADER +
    route('wlan0', '00000000', '0101A8C0', '0003', 600, '00000000') +
    route('eth0', '00000000', '01B2A8C0', '0003', 100, '00000000') +
    route('eth0', '00B2A8C0', '00000000', '0001', 100, '00FFFFFF');
  t.is(parseDefaultGateway(table), '192.168.178.1');
});

test('a default route without a router, a rejected one, and routes to some networks give none', (t) => {
  const table =
    HEADER +
    route('tun0', '00000000', '00000000', '0001', 50, '00000000') +
    route('*', '00000000', '0101A8C0', '0200', 1, '00000000') +
    route('eth0', '0000000A', '0101A8C0', '0003', 0, '000000FF');
  t.is(parseDefaultGateway(table), undefined);
  t.is(parseDefaultGateway(HEADER), undefined);
  t.is(parseDefaultGateway('nonsense\nmore of it\n\n'), undefined);
});

test("the kernel's table is read where there is one", (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'idloc-routes-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'route');
  t.is(defaultGateway(path), undefined);
  writeFileSync(path, HEADER + route('eth0', '00000000', '0101A8C0', '0003', 0, '00000000'));
  t.is(defaultGateway(path), '192.168.1.1');
});
