import type { MemberInfo } from '../../src/contract.ts';
import type { TellOut } from './protocol.ts';

/** Of one message; a session takes 32 KB. */
const PART_BYTES = 16 * 1024;

/** Who is there, in as many messages as it takes. */
export function rosterParts(members: readonly MemberInfo[]): TellOut[] {
  const parts: MemberInfo[][] = [[]];
  let bytes = 0;
  for (const member of members) {
    const size = Buffer.byteLength(JSON.stringify(member));
    if (bytes + size > PART_BYTES) {
      parts.push([]);
      bytes = 0;
    }
    parts.at(-1)?.push(member);
    bytes += size;
  }
  return parts.map((part, i) => ({ t: 'roster', members: part, more: i < parts.length - 1 }));
}
