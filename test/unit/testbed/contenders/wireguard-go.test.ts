import test from 'ava';
import { requiredVersion } from '../../../../scripts/testbed/contenders/wireguard-go.ts';

test('the version is read in a block of requirements and alone, and never from another line', (t) => {
  const module = 'golang.zx2c4.com/wireguard';
  t.is(
    requiredVersion(`tool ${module}\n\nrequire (\n\tx.org/y v1.0.0\n\t${module} v0.1.0 // indirect\n)\n`, module),
    'v0.1.0',
  );
  t.is(requiredVersion(`require ${module} v0.2.0\n`, module), 'v0.2.0');
  t.throws(() => requiredVersion(`tool ${module}\nrequire ${module}/x v0.3.0\n`, module));
});
