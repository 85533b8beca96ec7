/** Uniform in [0, 1). */
export type Random = () => number;

const SPREAD = 0x9e3779b9;

/**
 * Reproducible randomness for simulations: xoshiro128** (Blackman and Vigna, 2018), its state filled from `seed` by a
 * Weyl sequence with a mixer, so that neighbouring seeds have nothing in common. Never for secrets.
 */
export function seededRandom(seed: number): Random {
  let weyl = seed | 0;
  const mixed = (): number => {
    weyl = (weyl + SPREAD) | 0;
    let z = weyl ^ (weyl >>> 16);
    z = Math.imul(z, 0x21f0aaad);
    z ^= z >>> 15;
    z = Math.imul(z, 0x735a2d97);
    return z ^ (z >>> 15);
  };
  let [a, b, c, d] = [mixed(), mixed(), mixed(), mixed() | 1]; // never all zero: the generator would stay there
  return () => {
    const out = Math.imul(turn(Math.imul(b, 5), 7), 9);
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = turn(d, 11);
    return (out >>> 0) / 2 ** 32;
  };
}

const turn = (word: number, bits: number): number => (word << bits) | (word >>> (32 - bits));
