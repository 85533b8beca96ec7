import type { Format } from '../contract.ts';

/** True when a receiver that takes `accept` can be handed `format` untouched. */
export const accepts = (accept: readonly Format[], format: Format): boolean =>
  accept.some(a => a.codec === format.codec && compatible(a, format));

function compatible(a: Format, format: Format): boolean {
  switch (format.codec) {
    case 'opus': // RFC 7587 §4.1: always 48000/2 on the wire; every decoder takes mono and stereo, all rates
    case 'VP8':
      return true;
    case 'H264': // RFC 6184 §6: a mode 0 receiver takes single NAL units only; a mode 1 receiver takes both
      return packetizationMode(format) <= packetizationMode(a);
    case 'AAC':
      return a.clockRate === format.clockRate && a.fmtp?.config === format.fmtp?.config;
    default:
      return a.clockRate === format.clockRate;
  }
}

/** RFC 6184 §8.1: absent means 0. */
const packetizationMode = (f: Format): number => Number(f.fmtp?.['packetization-mode'] ?? 0);
