import { randomBytes, randomFillSync } from 'node:crypto';

/** Where state machines take randomness from: the system's in the agent, a seeded one in the simulator. */
export interface Random {
  bytes(count: number): Uint8Array;
  /** Uniform in [0, 2^32). */
  uint32(): number;
  /** Uniform in [0, 1). */
  float(): number;
}

/** Tags and identifiers are so short; to ask for each of them costs as much as for all that fit in here. */
const MAX_POOLED = 16;
const POOL_BYTES = 1_024;
const pool = new Uint8Array(POOL_BYTES);
let poolUsed = POOL_BYTES;

/** What was handed out is not kept. */
function pooled(count: number): Uint8Array {
  if (poolUsed + count > POOL_BYTES) {
    randomFillSync(pool);
    poolUsed = 0;
  }
  const bytes = pool.slice(poolUsed, poolUsed + count);
  pool.fill(0, poolUsed, poolUsed + count);
  poolUsed += count;
  return bytes;
}

export const systemRandom: Random = {
  bytes: (count) => (count <= MAX_POOLED ? pooled(count) : new Uint8Array(randomBytes(count))),
  uint32: () => randomBytes(4).readUInt32BE(),
  float: () => randomBytes(4).readUInt32BE() / 2 ** 32,
};

/** Deterministic (sfc32, seeded by splitmix32). For simulations and tests; never for keys. */
export function seededRandom(seed: number): Random {
  let mix = seed >>> 0;
  const next = (): number => {
    mix = (mix + 0x9e3779b9) >>> 0;
    let z = mix;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  };
  let [a, b, c, d] = [next(), next(), next(), next()];
  const uint32 = (): number => {
    const t = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + t) | 0;
    return t >>> 0;
  };
  return {
    uint32,
    float: () => uint32() / 2 ** 32,
    bytes: (count) => {
      const out = new Uint8Array(count);
      for (let i = 0; i < count; i++) out[i] = uint32() & 0xff;
      return out;
    },
  };
}
