import { z } from 'zod';
import { type ApiApp, notFound } from './app.ts';
import type { ApiBackend, RoomView } from './backend.ts';
import {
  list,
  memberView,
  muteBody,
  participantParams,
  problemSchema,
  roomParams,
  roomView,
  settingsPatch,
  ticketBody,
  ticketView,
} from './schemas.ts';

const none = z.undefined().describe('Done.');

/** A PIN is told to nobody: only that there is one. */
const shown = ({ room, participants, settings }: RoomView): z.output<typeof roomView> => ({
  room,
  participants,
  settings: {
    hasPin: settings.pin !== undefined,
    maxParticipants: settings.maxParticipants,
    locked: settings.locked,
    layout: settings.layout,
  },
});

export function roomRoutes(app: ApiApp, backend: ApiBackend): void {
  const tags = ['rooms'];
  app.get(
    '/rooms',
    { schema: { tags, summary: 'Rooms that live.', response: { 200: list(roomView) } } },
    async () => (await backend.rooms()).map(shown),
  );
  app.get(
    '/rooms/:room',
    {
      schema: {
        tags,
        summary: 'One room: how many are in it, and its settings.',
        params: roomParams,
        response: { 200: roomView, 404: problemSchema },
      },
    },
    async ({ params: { room } }) => {
      const found = await backend.room(room);
      if (found === undefined) throw notFound('room', room);
      return shown(found);
    },
  );
  app.put(
    '/rooms/:room',
    {
      schema: {
        tags,
        summary: 'Sets PIN, limit, lock and layout, before or while the room lives. Absent keys stay.',
        params: roomParams,
        body: settingsPatch,
        response: { 200: roomView },
      },
    },
    async ({ params, body }) => shown(await backend.settings(params.room, body)),
  );
  app.delete(
    '/rooms/:room',
    {
      schema: {
        tags,
        summary: 'Ends the room: every leg is told and closed.',
        params: roomParams,
        response: { 204: none, 404: problemSchema },
      },
    },
    async ({ params: { room } }, reply) => {
      if (!(await backend.endRoom(room))) throw notFound('room', room);
      return reply.code(204).send(undefined);
    },
  );
  participantRoutes(app, backend);
  app.post(
    '/rooms/:room/tickets',
    {
      schema: {
        tags,
        summary: 'A short-lived address for one user to publish to or play from.',
        params: roomParams,
        body: ticketBody,
        response: { 201: ticketView },
      },
    },
    async ({ params: { room }, body: { track, ...ask } }, reply) =>
      reply.code(201).send(await backend.ticket({ room, ...ask, ...(track !== undefined && { track }) })),
  );
}

function participantRoutes(app: ApiApp, backend: ApiBackend): void {
  const tags = ['participants'];
  const members = async (room: string) => {
    const found = await backend.participants(room);
    if (found === undefined) throw notFound('room', room);
    return found;
  };
  app.get(
    '/rooms/:room/participants',
    {
      schema: {
        tags,
        summary: 'Who is in the room: `here`, or `away` with the seat kept for rooms.sessionKeep.',
        params: roomParams,
        response: { 200: list(memberView), 404: problemSchema },
      },
    },
    ({ params: { room } }) => members(room),
  );
  app.get(
    '/rooms/:room/participants/:participant',
    {
      schema: {
        tags,
        summary: 'One member.',
        params: participantParams,
        response: { 200: memberView, 404: problemSchema },
      },
    },
    async ({ params: { room, participant } }) => {
      const found = (await members(room)).find(m => m.participant === participant);
      if (found === undefined) throw notFound('participant', participant);
      return found;
    },
  );
  app.delete(
    '/rooms/:room/participants',
    {
      schema: {
        tags,
        summary: 'Kicks everyone.',
        params: roomParams,
        response: { 204: none, 404: problemSchema },
      },
    },
    async ({ params: { room } }, reply) => {
      for (const m of await members(room)) await backend.kick(room, m.participant);
      return reply.code(204).send(undefined);
    },
  );
  app.delete(
    '/rooms/:room/participants/:participant',
    {
      schema: {
        tags,
        summary: 'Kicks: the legs are closed and the member stays out for a while.',
        params: participantParams,
        response: { 204: none, 404: problemSchema },
      },
    },
    async ({ params: { room, participant } }, reply) => {
      if (!(await backend.kick(room, participant))) throw notFound('participant', participant);
      return reply.code(204).send(undefined);
    },
  );
  app.post(
    '/rooms/:room/participants/:participant/mute',
    {
      schema: {
        tags,
        summary: 'Mutes a member for everyone, or takes that back; a camera only its owner turns on again.',
        params: participantParams,
        body: muteBody,
        response: { 204: none, 404: problemSchema },
      },
    },
    async ({ params: { room, participant }, body: { media, on } }, reply) => {
      if (!(await backend.mute(room, participant, media, on))) throw notFound('participant', participant);
      return reply.code(204).send(undefined);
    },
  );
}
