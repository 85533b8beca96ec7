import type { Bus, Unserve } from '../bus/port.ts';
import type { Json, MemberInfo, Termination } from '../contract.ts';
import { refuse } from '../kit/refusal.ts';
import { checkText } from '../kit/text.ts';
import type { RoomSettings } from '../room/settings.ts';
import type { RoomNode, RoomSummary } from './room-node.ts';
import type { SettingsPatch } from './room-settings.ts';
import { subjects } from './subjects.ts';

/** What other processes, and the API, ask a room node. */
export type RoomQuestion =
  | { type: 'rooms' }
  | { type: 'alive' }
  /** It has been named the host of the room after another died. */
  | { type: 'resume'; room: string }
  | { type: 'room'; room: string }
  | { type: 'members'; room: string }
  | { type: 'set'; room: string; patch: SettingsPatch }
  | { type: 'end'; room: string; why: Termination }
  | { type: 'mute'; room: string; participant: string; media: 'audio' | 'video'; on: boolean }
  | { type: 'kick'; room: string; participant: string; why: Termination }
  | { type: 'text'; room: string; participant: string; text: string }
  | { type: 'tell'; room: string; participant: string; fact: Json }
  | { type: 'gone'; room: string; leg: string; why: Termination };

/** Serves the room node of this process on the bus. */
export function serveRooms(bus: Bus, process: string, node: RoomNode): Unserve {
  return bus.serve(
    subjects.room(process),
    async question => (await answer(node, question as unknown as RoomQuestion)) as unknown as Json,
  );
}

async function answer(
  node: RoomNode,
  q: RoomQuestion,
): Promise<RoomSummary[] | RoomSummary | readonly MemberInfo[] | RoomSettings | true> {
  if ('room' in q) await node.resume(q.room);
  switch (q.type) {
    case 'alive':
    case 'resume':
      return true;
    case 'rooms':
      return node.summaries();
    case 'room':
      return (
        node.summary(q.room) ?? { room: q.room, participants: 0, settings: await node.settingsOf(q.room) }
      );
    case 'members':
      return node.members(q.room) ?? [];
    case 'set':
      return node.set(q.room, q.patch);
    case 'end':
      return there(node.feed(q.room, { type: 'end', why: q.why }), q.room);
    case 'mute':
    case 'kick':
      if (!node.members(q.room)?.some(m => m.participant === q.participant))
        throw refuse('client', 'no-such-participant', `There is no ${q.participant} in room ${q.room}.`);
      return there(node.feed(q.room, q), q.room);
    case 'text':
      checkText(q.text); // whoever it came by
      return there(node.feed(q.room, { type: 'text', from: q.participant, text: q.text }), q.room);
    case 'tell':
    case 'gone':
      node.feed(q.room, q);
      return true;
  }
}

function there(fed: boolean, room: string): true {
  if (!fed) throw refuse('client', 'no-such-room', `There is no room ${room} now.`);
  return true;
}
