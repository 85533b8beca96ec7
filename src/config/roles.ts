import { nearest } from '../kit/nearest.ts';

/** What one process may do. A gateway with a signalling and a media side has a word for each: `sip-call`, `sip-agent`. */
export const ROLES = [
  'sip-call',
  'sip-agent',
  'rtmp',
  'webrtc',
  'stomp',
  'native',
  'room',
  'manager',
  'api',
  'router',
] as const;
type Role = (typeof ROLES)[number];

/** Words for many: what signals, and what carries media. */
const MEANT: Readonly<Record<'front' | 'agent', readonly Role[]>> = {
  front: ['sip-call', 'webrtc', 'stomp', 'manager', 'api'],
  agent: ['sip-agent', 'rtmp', 'webrtc', 'native'],
};
export const ALL_ROLES: readonly string[] = ['front', 'agent', 'room', 'router'];
const WORDS: readonly string[] = [...Object.keys(MEANT), ...ROLES];

/** What is wrong with a word for a role, as a sentence without its subject. */
export function roleProblem(word: string): string | undefined {
  if (WORDS.includes(word)) return undefined;
  const near = nearest(word, WORDS);
  return near === undefined
    ? `must be one of ${WORDS.join(', ')}`
    : `names ${word}, which is no role: did you mean \`${near}\`?`;
}

/** Roles that nobody in a system of this process alone would have. A router only helps others. */
export function missingRoles(roles: readonly string[]): readonly string[] {
  if (roles.some(r => roleProblem(r) !== undefined)) return []; // that is said already
  const meant = new Set<string>(roles);
  for (const [word, many] of Object.entries(MEANT)) if (meant.has(word)) for (const r of many) meant.add(r);
  return ROLES.filter(r => r !== 'router' && !meant.has(r));
}

/** Which platform parts run. */
export const runsPart = (roles: readonly string[], part: 'room' | 'manager' | 'api' | 'router'): boolean =>
  roles.includes(part) || ((part === 'manager' || part === 'api') && roles.includes('front'));

/** Which side of a gateway runs: it is named by its own words, or with all of its kind. */
export function runsGateway(
  roles: readonly string[],
  gateway: { readonly name: string; readonly home: 'front' | 'agent' },
  side: 'front' | 'agent',
): boolean {
  const own = side === 'front' ? `${gateway.name}-call` : `${gateway.name}-agent`;
  const kind = side === 'front' ? 'front' : gateway.home;
  return [gateway.name, own, kind].some(word => roles.includes(word));
}

/** Where the web server is needed: for the page, the API, WHIP, STOMP, and native members behind firewalls. */
export const needsWeb = (roles: readonly string[]): boolean =>
  ['front', 'webrtc', 'stomp', 'native', 'api'].some(word => roles.includes(word));
