/** A drill as an admin runs it: by the command, against front, agent and room in processes of their own. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { Child, missing } from '../harness/child.ts';
import { Server } from '../harness/server.ts';

const PROGRAM = fileURLToPath(new URL('../../bin/roombridge.js', import.meta.url));
const ROOM = 'drilled';

interface LegOf {
  readonly gateway: string;
  readonly streams: readonly { readonly media: string; readonly direction: string; readonly lost?: number }[];
}

const suite = missing('nats-server') ? describe.skip : describe;

suite('roombridge drill', () => {
  const dir = mkdtempSync(join(tmpdir(), 'drill-'));
  const keyFile = join(dir, 'key');
  let server: Server;
  beforeAll(async () => {
    server = await Server.start(dir, 'three processes');
    writeFileSync(keyFile, server.adminKey);
  });
  afterAll(async () => {
    await server?.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  const run = async (...args: string[]): Promise<{ code: number | null; output: string }> => {
    const child = new Child('drill', process.execPath, [PROGRAM, ...args, '--url', server.web]);
    return { code: await child.exited, output: child.output };
  };

  it('loses what it is told to, tells everyone, and is over by itself', async () => {
    const member = await stomp(server, ROOM);
    const phone = new Child('dial', process.execPath, [
      PROGRAM,
      ...['dial', `sip:${ROOM}@${server.sip}`, '--seconds', '12', '--sound-only', '--json'],
    ]);
    const lost = async (): Promise<number> => {
      const legs = await server.api<LegOf[]>('GET', `/legs?room=${ROOM}`);
      const sound = legs?.find(l => l.gateway === 'sip')?.streams.find(s => s.direction === 'in');
      return sound?.lost ?? -1;
    };
    await server.until('sound of the phone', lost, n => n >= 0);
    expect(await lost()).toBe(0);

    const wrong = await run('drill', ROOM, '--loss', '50%', '--key', 'not-the-admin-key-at-all');
    expect(wrong).toMatchObject({ code: 1, output: expect.stringContaining('admin key') });
    const { code, output } = await run(
      ...['drill', ROOM, '--loss', '50%', '--delay', '30ms', '--seconds', '3', '--key-file', keyFile],
    );
    expect(code, output).toBe(0);
    expect(output).toMatch(
      /room drilled, loss 50%, delay 30ms, both ways, for 3s\.\n {2}\S+ {2}sip .* impaired/,
    );
    await member.until(f => f['type'] === 'drill' && f['on'] === true);
    await member.until(f => f['type'] === 'drill' && f['on'] === false);
    expect(await server.api('GET', '/drills')).toEqual([]);
    const first = await server.until('losses that are told', lost, n => n > 40);
    expect(first).toBeLessThan(120); // of some 150 in 3 s

    expect(await phone.exited).not.toBeNull();
    const told = JSON.parse(phone.output) as { in: { lossPercent: number } };
    expect(told.in.lossPercent).toBeGreaterThan(3);
    const lines = [...server.processes.values()].map(p => p.output).join('\n');
    for (const line of ['drill begins', 'drill over']) expect(lines).toContain(line);
    member.close();
    expect(server.bugs()).toEqual([]);
  }, 60_000);
});

type Fact = Readonly<Record<string, unknown>>;

/** A member that only signals; `until` waits for a fact, from the beginning on. */
async function stomp(server: Server, room: string) {
  const socket = new WebSocket(`${server.web.replace('http', 'ws')}/stomp`, ['v12.stomp']);
  const facts: Fact[] = [];
  const waiting = new Set<() => void>();
  const send = (...lines: string[]): void => socket.send(`${lines.join('\n')}\n\n\0`);
  socket.on('message', data => {
    const text = String(data);
    if (text.startsWith('CONNECTED')) send('SUBSCRIBE', 'id:0', `destination:/room/${room}`);
    if (!text.startsWith('MESSAGE')) return;
    facts.push(JSON.parse(text.slice(text.indexOf('\n\n') + 2).replace(/\0\n*$/, '')) as Fact);
    for (const look of waiting) look();
  });
  await new Promise((done, failed) => {
    socket.once('open', done);
    socket.once('error', failed);
  });
  send('CONNECT', 'accept-version:1.2', 'host:x', 'login:watcher', 'heart-beat:0,0');
  const until = (holds: (f: Fact) => boolean): Promise<void> =>
    new Promise(done => {
      const look = (): void => {
        if (!facts.some(holds)) return;
        waiting.delete(look);
        done();
      };
      waiting.add(look);
      look();
    });
  await until(f => f['type'] === 'joined');
  return { until, close: () => socket.close() };
}
