import { CONNECTION_BYTES } from '../trailer.ts';

/** First bytes of the connection ids one UDP socket of ours chooses: routers find its address by them. */
export const TAG_BYTES = 3;
export const NO_TAG = 0;

/** A tag of its own for every socket that serves, chosen at its start; never 0, which stands for none. */
export function newTag(random: (bytes: number) => Buffer): number {
  for (;;) {
    const tag = random(TAG_BYTES).readUIntBE(0, TAG_BYTES);
    if (tag !== NO_TAG) return tag;
  }
}

/**
 * ```
 * | tag (3) | random (5) |
 * ```
 * The id a server chooses. What may be sent to it is decided by keys, not by the id: 40 random bits are enough to tell
 * sessions apart.
 */
export function connectionId(tag: number, random: (bytes: number) => Buffer): Buffer {
  const id = random(CONNECTION_BYTES);
  id.writeUIntBE(tag, 0, TAG_BYTES);
  return id;
}

export const tagOf = (b: Uint8Array, at: number): number =>
  ((b[at] as number) << 16) | ((b[at + 1] as number) << 8) | (b[at + 2] as number);

/** As adverts carry it: six hexadecimal digits. */
export const writeTag = (tag: number): string => tag.toString(16).padStart(TAG_BYTES * 2, '0');
/** NO_TAG when it is none. */
export const readTag = (text: string): number =>
  /^[0-9a-f]{6}$/.test(text) ? Number.parseInt(text, 16) : NO_TAG;
