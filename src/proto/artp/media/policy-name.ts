import type { MediaPolicy } from './policy-types.ts';
import { RED_PATTERNS } from './red-patterns.ts';

/** A policy in a few words, for reports: `red 1,2,4 ×2 two paths`, `nack ×2 repair 1/0.5/0`. */
export function policyName(p: MediaPolicy): string {
  const words: string[] = [];
  if (p.kind === 'audio') {
    if (p.pattern > 0) words.push(`red ${RED_PATTERNS[p.pattern]?.join(',')}`);
    if (p.nack) words.push('nack');
  } else {
    if (p.nackCopies > 0) words.push(p.nackCopies > 1 ? `nack ×${p.nackCopies}` : 'nack');
    if (p.repair.some(r => r > 0)) words.push(`repair ${p.repair.join('/')}`);
  }
  if (p.copies > 1) words.push(`×${p.copies}`);
  if (p.twoPaths) words.push('two paths');
  return words.join(' ') || 'plain';
}
