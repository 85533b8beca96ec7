import { type Word, words } from './words.ts';

export type Device = 'microphone' | 'camera';
/** Why a device cannot be had. */
export type Trouble = 'plainHttp' | 'Missing' | 'Blocked' | 'Busy' | 'Lost';

/** What the error of `getUserMedia` means. */
export function troubleOf(error: unknown): Trouble {
  switch ((error as DOMException).name) {
    case 'NotFoundError':
    case 'OverconstrainedError':
      return 'Missing';
    case 'NotReadableError':
    case 'AbortError':
      return 'Busy';
    default:
      return 'Blocked';
  }
}

export const wordsOf = (device: Device, trouble: Trouble): string =>
  words[trouble === 'plainHttp' ? trouble : (`${device}${trouble}` satisfies Word)];
