import { refuse } from './refusal.ts';

/** What one member may write to the room at once, bytes of UTF-8, whatever protocol it comes by. */
export const MAX_TEXT_BYTES = 4096;

/** Bytes of `text` in UTF-8; also in a browser. */
function textBytes(text: string): number {
  let bytes = 0;
  for (const char of text) {
    const code = char.codePointAt(0) as number;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return bytes;
}

/** A sentence for whoever wrote too much; undefined: it is short enough. */
export function textFault(text: string): string | undefined {
  const bytes = textBytes(text);
  return bytes <= MAX_TEXT_BYTES
    ? undefined
    : `A text has ${MAX_TEXT_BYTES} bytes at most, and this one has ${bytes}: send it in parts.`;
}

/** Throws a Refusal with that sentence. */
export function checkText(text: string): void {
  const fault = textFault(text);
  if (fault !== undefined) throw refuse('client', 'text-too-long', fault);
}
