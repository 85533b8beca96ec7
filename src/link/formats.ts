import type { Format } from '../contract.ts';

export const isVideo = (f: Format): boolean => f.codec === 'H264' || f.codec === 'VP8';

/** Formats are small and change seldom: their text will do. */
export const formatsDiffer = (a: Format, b: Format): boolean => JSON.stringify(a) !== JSON.stringify(b);
