import { randomBytes } from 'node:crypto';

/** Where state machines take randomness from: the system's in the agent, a seeded one in the simulator. */
export interface Random {
  bytes(count: number): Uint8Array;
  /** Uniform in [0, 2^32). */
  uint32(): number;
  /** Uniform in [0, 1). */
  float(): number;
}

export const systemRandom: Random = {
  bytes: (count) => new Uint8Array(randomBytes(count)),
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
