import test from 'ava';
import { reportsOfAddon } from '../../../scripts/testbed/thread-sanitizer.ts';

const LINE = '==================';

function report(first: string[], second: string[], origin: string[]): string {
  const frames = (list: string[]): string => list.map((frame, i) => `    #${i} ${frame}`).join('\n');
  return `${LINE}
WARNING: ThreadSanitizer: data race (pid=1)
  Write of size 8 at 0x7b04 by thread T5:
${frames(first)}

  Previous read of size 8 at 0x7b04 by main thread:
${frames(second)}

  Thread T5 'idloc-data' (tid=2, running) created by main thread at:
${frames(origin)}

SUMMARY: ThreadSanitizer: data race in somewhere
${LINE}
`;
}

const NODE = 'v8::Something::Delete(void*) <null> (node+0x14520b7)';
const ADDON = 'idloc::DataPlane::Run() ../src/data_plane/control.cc:120 (idloc.node+0x1234)';
const INTERCEPTOR = 'free ../../../../src/libsanitizer/tsan/tsan_interceptors_posix.cpp:706 (libtsan.so+0x47e82)';
const LIBRARY = 'std::thread::_M_start_thread() <null> (libstdc++.so.6+0xd44a2)';

test('a race of node with itself is none of ours, whoever started the thread and whoever is below', (t) => {
  t.deepEqual(reportsOfAddon(report([INTERCEPTOR, NODE, ADDON], [NODE], [LIBRARY, ADDON])), []);
});

test('a race is ours when the addon made one of the accesses, by itself or through a library', (t) => {
  for (const stack of [[ADDON], [INTERCEPTOR, ADDON], [INTERCEPTOR, LIBRARY, ADDON, NODE]]) {
    t.is(reportsOfAddon(report(stack, [NODE], [LIBRARY])).length, 1);
    t.is(reportsOfAddon(report([NODE], stack, [LIBRARY])).length, 1);
  }
});

test('reports are told apart', (t) => {
  const ours = report([ADDON], [ADDON], [LIBRARY]);
  const theirs = report([NODE], [NODE], [LIBRARY]);
  t.is(reportsOfAddon(theirs + ours + theirs + ours).length, 2);
});
