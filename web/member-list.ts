import { by, make, sign, unseen } from './dom.ts';
import { protocolSign } from './protocol.ts';
import type { Measured, Quality } from './quality.ts';
import type { Person } from './roster.ts';
import { say, words } from './words.ts';

/** Everyone in the room, by name, with what one may want to know of each. */
export function drawMembers(people: readonly Person[], quality: ReadonlyMap<string, Quality>): void {
  by('count').textContent = `(${people.length})`;
  by('members').replaceChildren(...people.map(p => row(p, quality.get(p.member.participant))));
}

function row(person: Person, quality: Quality | undefined): HTMLElement {
  const { member, self, speaks, shares } = person;
  const who = make('span', 'who', self ? `${member.participant} (${words.you})` : member.participant);
  who.title = member.display;
  const made = make('li', '', protocolSign(member), who);
  made.classList.toggle('speaking', speaks);
  made.classList.toggle('away', member.state === 'away');
  made.dataset.participant = member.participant;
  if (member.state === 'away') made.append(make('span', 'quiet', words.away));
  else if (speaks) made.append(unseen(words.speaking));
  if (shares) made.append(sign('screen', words.sharing));
  if (member.muted.audio) made.append(sign('microphoneOff', words.muted, 'danger'));
  if (quality !== undefined) made.append(sign(quality.grade, reasonOf(quality), quality.grade));
  return made;
}

/** `Fair connection: 3.1 % lost, jitter 12 ms`. */
function reasonOf({ grade, measured }: Quality): string {
  const { lossPercent, jitterMs, rttMs, freezes } = measured satisfies Measured;
  const facts = [
    lossPercent !== undefined && say('loss', { n: lossPercent.toFixed(1) }),
    jitterMs !== undefined && say('jitter', { n: Math.round(jitterMs) }),
    rttMs !== undefined && say('roundTrip', { n: Math.round(rttMs) }),
    freezes !== undefined && freezes > 0 && words.frozen,
  ].filter(f => f !== false);
  return `${words[grade]}: ${facts.join(', ')}`;
}
