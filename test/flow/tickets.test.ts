import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import type { MemberInfo, Ticket } from '../../src/contract.ts';
import { missing } from '../harness/child.ts';
import { publish } from '../harness/peers/ffmpeg.ts';
import { ARRANGEMENTS, Server } from '../harness/server.ts';

const dir = mkdtempSync(join(tmpdir(), 'tickets-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const silence = { rateHz: 48_000, samples: new Float32Array(480_000) };

describe.skipIf(missing('ffmpeg', 'nats-server')).each(ARRANGEMENTS)('a ticket, %s', arrangement => {
  it('lets a mini-program push as the member that asked for it, and an admin’s as whom it names', async () => {
    const server = await Server.start(join(dir, arrangement.replace(' ', '-')), arrangement);
    const member = await joinByStomp(server, 'wx');
    const pushes = [];
    try {
      const mine = await member.ticket();
      expect(mine.url).toMatch(/^rtmp:\/\/.*\/room\/1000\/wx\?token=tk_/);
      pushes.push(publish(join(dir, 'wx'), reachable(server, mine.url), silence));
      const body = { user: 'guest', protocol: 'rtmp', role: 'publish' };
      const theirs = (await server.api<Ticket>('POST', '/rooms/1000/tickets', body)) as Ticket;
      pushes.push(publish(join(dir, 'guest'), reachable(server, theirs.url), silence));
      const members = await server.until(
        'both publish',
        () => server.api<MemberInfo[]>('GET', '/rooms/1000/participants'),
        all => all?.filter(m => m.protocols.includes('rtmp')).length === 2,
      );
      expect(members?.map(m => m.participant).sort()).toEqual(['guest', 'wx']);
      expect(server.log()).not.toMatch(/tk_[\w-]{8}/);
    } finally {
      for (const push of pushes) await push.stop('SIGINT');
      member.close();
      await server.stop();
    }
  }, 60_000);

  it('is worth nothing for another user, and nothing when made up', async () => {
    const server = await Server.start(join(dir, `${arrangement.replace(' ', '-')}-bad`), arrangement);
    const body = { user: 'guest', protocol: 'rtmp', role: 'publish' };
    const { url } = (await server.api<Ticket>('POST', '/rooms/1000/tickets', body)) as Ticket;
    const wrong = [
      url.replace('/guest?', '/other?'),
      `${server.rtmp}/room/1000/guest?token=tk_AAAAAAAAAAAAAAAAAAAAAA`,
    ];
    try {
      for (const [i, bad] of wrong.entries()) {
        const push = publish(join(dir, `bad${i}`), reachable(server, bad), silence);
        expect(await push.exited).toBe(1);
      }
      expect(await server.participants('1000')).toEqual([]);
    } finally {
      await server.stop();
    }
  }, 60_000);
});

/** Tickets name the address others reach this host by; the test reaches it on loopback. */
const reachable = (server: Server, url: string): string => url.replace(/^rtmp:\/\/[^/]+/, server.rtmp);

async function joinByStomp(
  server: Server,
  user: string,
): Promise<{ ticket(): Promise<Ticket>; close(): void }> {
  const socket = new WebSocket(`${server.web.replace('http', 'ws')}/stomp`, 'v12.stomp');
  const facts: { type: string }[] = [];
  let arrived = (): void => {};
  socket.on('message', (data: Buffer) => {
    const frame = data.toString();
    if (frame.startsWith('CONNECTED')) socket.send('SUBSCRIBE\nid:0\ndestination:/room/1000\n\n\0');
    if (frame.startsWith('MESSAGE')) facts.push(JSON.parse(frame.slice(frame.indexOf('\n\n') + 2, -1)));
    arrived();
  });
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  socket.send(`CONNECT\naccept-version:1.2\nlogin:${user}\n\n\0`);
  const fact = async (type: string): Promise<unknown> => {
    for (;;) {
      const found = facts.find(f => f.type === type);
      if (found !== undefined) return found;
      await new Promise<void>(resolve => {
        arrived = resolve;
      });
    }
  };
  await fact('joined');
  return {
    async ticket() {
      socket.send('SEND\ndestination:/room/1000/ticket\n\n{"protocol":"rtmp","role":"publish"}\0');
      return (await fact('ticket')) as Ticket;
    },
    close: () => socket.close(),
  };
}
