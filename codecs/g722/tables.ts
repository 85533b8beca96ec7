/** The constants of ITU-T G.722 (1988), named as its §6 names them. */

/** Table 11: transmit and receive QMF, h(0), h(2) … h(22); the odd taps are the same ones backwards. Scale 2^-13. */
export const QMF = Int32Array.of(3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11);

/** Table 14, decision levels of the 60-level low-band quantizer (Q6), magnitudes. */
export const Q6 = Int32Array.of(
  ...[0, 35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650],
  ...[714, 786, 858, 940, 1023, 1121, 1219, 1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919],
);
/** Tables 15: output codes of the low-band quantizer for negative (ILN) and positive (ILP) differences. */
export const ILN = Uint8Array.of(0, 63, 62, ...Array.from({ length: 28 }, (_, i) => 31 - i));
export const ILP = Uint8Array.of(0, ...Array.from({ length: 30 }, (_, i) => 61 - i));

const mirrored = (positive: readonly number[]): number[] => [...positive.map(v => -v), ...positive];

/** Table 16: 16-level inverse quantizer of the low band, for the predictor. */
export const QM4 = Int32Array.of(
  ...[0, -20456, -12896, -8968, -6288, -4240, -2584, -1200],
  ...[20456, 12896, 8968, 6288, 4240, 2584, 1200, 0],
);
/** Table 18: 64-level inverse quantizer of the low band, for the sound. */
export const QM6 = Int32Array.of(
  ...[-136, -136, -136, -136],
  ...mirrored([
    ...[24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192, 10232, 9360, 8576, 7856, 7192, 6576],
    ...[6000, 5456, 4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032, 1688, 1360, 1040, 728],
  ]),
  ...[432, 136, -432, -136],
);
/** Table 19: inverse quantizer of the high band. */
export const QM2 = Int32Array.of(-7408, -1616, 7408, 1616);

/** Table 17: log scale factor multipliers of the low band, by 4-bit code (table RL42 resolved). */
export const WL = Int32Array.of(
  ...[-60, 3042, 1198, 538, 334, 172, 58, -30],
  ...[3042, 1198, 538, 334, 172, 58, -30, -60],
);
/** Table 20: the same for the high band, by 2-bit code. */
export const WH = Int32Array.of(798, -214, 798, -214);

/** Table 13: 2^(i/32), 11 bits of fraction: from log to linear scale factor. */
export const ILB = Int32Array.of(
  ...[2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834],
  ...[2896, 2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008],
);
