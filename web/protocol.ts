import { sign } from './dom.ts';
import type { Icon } from './icons.ts';
import type { Member } from './signalling.ts';
import { say, type Word, words } from './words.ts';

const SIGNS: Readonly<Record<string, readonly [Icon, Word]>> = {
  sip: ['phone', 'phone'],
  rtmp: ['miniProgram', 'miniProgram'],
  webrtc: ['browser', 'browser'],
  native: ['native', 'native'],
};

/** What a member is connected with. */
export function protocolSign(m: Member): HTMLElement {
  const protocol = m.protocols[0];
  if (protocol === undefined)
    return sign('other', m.state === 'away' ? words.away : words.noMediaYet, 'protocol');
  if (protocol === 'sip' && m.tracks.some(t => t.source === 'camera'))
    return sign('roomSystem', words.roomSystem, 'protocol');
  const known = Object.hasOwn(SIGNS, protocol) ? SIGNS[protocol] : undefined;
  return known === undefined
    ? sign('other', say('otherClient', { name: m.protocols.join(', ') }), 'protocol')
    : sign(known[0], words[known[1]], 'protocol');
}
