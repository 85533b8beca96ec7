/** `roombridge dial` as operators run it, against the real program. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Child } from '../harness/child.ts';
import { freePort } from '../harness/ports.ts';
import { Server } from '../harness/server.ts';

const PROGRAM = fileURLToPath(new URL('../../bin/roombridge.js', import.meta.url));

interface Told {
  readonly pass: boolean;
  readonly hop?: string;
  readonly verdict: string;
  readonly codec?: string;
  readonly steps: readonly { readonly name: string; readonly atMs: number }[];
  readonly rttMs?: number;
  readonly setUpMs?: number;
  readonly out: Figures & { readonly reported: boolean; readonly picture?: PictureOut };
  readonly in: Figures & {
    readonly levelDbfs?: number;
    readonly strongestHz?: number;
    readonly picture?: PictureIn;
  };
  readonly notes: readonly string[];
}
interface Figures {
  readonly packets: number;
  readonly lossPercent?: number;
  readonly mos?: number;
}

interface PictureOut {
  readonly codec: string;
  readonly fps: number;
  readonly packets: number;
  readonly reported: boolean;
  readonly backMs?: number;
}
interface PictureIn {
  readonly codec?: string;
  readonly decoded: boolean;
  readonly firstFrameMs?: number;
  readonly width?: number;
  readonly height?: number;
  readonly fps?: number;
  readonly pattern?: { readonly colour: string; readonly delayMs?: number };
}

const begin = (...args: string[]): Child => new Child('dial', process.execPath, [PROGRAM, 'dial', ...args]);

/** Exit code and the one JSON object of a dial. */
async function dial(...args: string[]): Promise<{ code: number | null; told: Told }> {
  const child = begin(...args, '--json');
  const code = await child.exited;
  try {
    return { code, told: JSON.parse(child.output) as Told };
  } catch {
    throw new Error(`dial ${args.join(' ')} exited with ${code} and said:\n${child.output}`);
  }
}

const names = ({ told }: { told: Told }): string[] => told.steps.map(s => s.name);

/** Long enough that both ends overlap on a machine busy with other tests. */
const LONG = ['--seconds', '10'];

describe('dial', { timeout: 60_000 }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'dial-'));
  let server: Server;
  beforeAll(async () => {
    server = await Server.start(dir, 'one process');
  });
  afterAll(async () => {
    expect(server.bugs()).toEqual([]);
    expect(await server.stop()).toEqual([0]);
    rmSync(dir, { recursive: true, force: true });
  });
  const sip = (room: string, more = ''): string => `sip:${room}@${server.sip}${more}`;

  it('two SIP callers in one room hear each other’s tone, over udp and tcp, in two codecs', async () => {
    const [a, b] = await Promise.all([
      dial(sip('1000'), '--tone', '600', '--expect-tone', '750', ...LONG),
      dial(
        sip('1000', ';transport=tcp'),
        ...['--tone', '750', '--expect-tone', '600', '--codec', 'PCMA', ...LONG],
      ),
    ]);
    for (const [one, hz, codec] of [
      [a, 750, 'opus'],
      [b, 600, 'PCMA'],
    ] as const) {
      expect(one.told.verdict).toBe('Every hop held.');
      expect(one.code).toBe(0);
      expect(one.told.codec).toBe(codec);
      expect(one.told.in.strongestHz).toBe(hz);
      expect(one.told.in.levelDbfs).toBeGreaterThan(-24);
      expect(one.told.in.levelDbfs).toBeLessThan(-16);
      expect(one.told.out.packets).toBeGreaterThan(200);
      expect(one.told.in.packets).toBeGreaterThan(200);
      expect(one.told.out.reported).toBe(true);
      expect(one.told.out.mos).toBeGreaterThan(1);
      expect(one.told.rttMs).toBeGreaterThanOrEqual(0);
      expect(names(one)).toEqual(expect.arrayContaining(['100', '200', 'first packet']));
    }
    expect(names(b)).toContain('connected');
    await server.until(
      'the room is gone',
      () => server.participants('1000'),
      p => p.length === 0,
    );
  });

  it('a WHIP caller and a SIP caller hear each other', async () => {
    const whip = `whip+http://localhost:${server.ports.http}/whip/2000?user=web`;
    const [web, phone] = await Promise.all([
      dial(whip, '--tone', '900', '--expect-tone', '1100', ...LONG),
      dial(sip('2000'), '--tone', '1100', '--expect-tone', '900', '--user', 'phone', ...LONG),
    ]);
    expect([web.told.verdict, phone.told.verdict]).toEqual(['Every hop held.', 'Every hop held.']);
    expect([web.code, phone.code]).toEqual([0, 0]);
    expect(names(web)).toEqual(
      expect.arrayContaining(['resolved', 'connected', 'WHIP 201', 'WHIP ICE', 'WHIP DTLS', 'WHEP DTLS']),
    );
    expect(web.told.in.strongestHz).toBe(1100);
    expect(web.told.out.reported).toBe(true);
  });

  const rtmp = (path: string): string => `rtmp://127.0.0.1:${server.ports.rtmp}/room/${path}`;

  it('SIP, WHIP and RTMP callers see each other’s pictures, decoded', async () => {
    const whip = `whip+http://localhost:${server.ports.http}/whip/6000?user=web`;
    const all = await Promise.all([
      dial(sip('6000'), '--user', 'phone', '--expect-picture', ...LONG),
      dial(whip, '--expect-picture', ...LONG),
      dial(rtmp('6000/push'), '--expect-picture', ...LONG),
    ]);
    for (const { code, told } of all) {
      expect([code, told.verdict]).toEqual([0, 'Every hop held.']);
      expect(told.setUpMs).toBeGreaterThan(0);
      expect(told.out.picture).toMatchObject({ codec: 'H264', reported: true });
      expect(told.out.picture?.fps).toBeGreaterThan(10);
      expect(told.in.picture).toMatchObject({ codec: 'H264', decoded: true, width: 640, height: 360 });
      expect(told.in.picture?.fps).toBeGreaterThan(5);
      expect(told.in.picture?.firstFrameMs).toBeGreaterThanOrEqual(0);
      expect(told.in.picture?.pattern?.colour).toBeDefined();
    }
    const push = all[2]?.told;
    expect(push?.codec).toBe('AAC');
    expect(push?.out.picture?.backMs).toBeGreaterThanOrEqual(0);
    expect(push?.steps.map(s => s.name)).toEqual(
      expect.arrayContaining(['connected', 'publish', 'play', 'play own', 'first packet', 'first picture']),
    );
  });

  it('an RTMP caller and a SIP caller hear each other; ?as= only plays', async () => {
    const [push, phone, watcher] = await Promise.all([
      dial(rtmp('7000/push'), '--tone', '700', '--expect-tone', '1000', ...LONG),
      dial(sip('7000'), '--tone', '1000', '--expect-tone', '700', '--user', 'phone', '--sound-only', ...LONG),
      dial(rtmp('7000?as=watcher'), '--expect-tone', '700', '--expect-picture', ...LONG),
    ]);
    expect([push, phone, watcher].map(d => [d.code, d.told.verdict])).toEqual(
      Array(3).fill([0, 'Every hop held.']),
    );
    expect(phone.told.out.picture).toBeUndefined();
    expect(watcher.told.out.packets).toBe(0);
    expect(watcher.told.in.picture?.decoded).toBe(true);
  });

  it('a picture expected where nobody shows one is missed; a member not there is the server’s own words', async () => {
    const [alone, nobody] = await Promise.all([
      dial(rtmp('7500?as=watcher'), '--seconds', '1', '--expect-picture'),
      dial(rtmp('7501/nobody?as=watcher'), '--seconds', '1'),
    ]);
    expect([alone.code, alone.told.hop]).toEqual([1, 'picture-in']);
    expect(alone.told.verdict).toMatch(/^Picture in: none came in \d+ s; see whether somebody/);
    expect([nobody.code, nobody.told.hop]).toEqual([1, 'signalling']);
    expect(nobody.told.verdict).toMatch(/StreamNotFound: There is no member "nobody" in room 7501/);
  });

  it('an empty room is silent and that is fine; a tone expected there is not', async () => {
    const [silent, missed] = await Promise.all([
      dial(`whip+https://127.0.0.1:${server.ports.https}/whip/3000`, '--seconds', '1'),
      dial(sip('3001'), '--seconds', '1', '--expect-tone', '500'),
    ]);
    expect([silent.code, silent.told.verdict]).toEqual([0, 'Every hop held.']);
    expect(silent.told.in.strongestHz).toBeUndefined();
    expect(silent.told.notes[0]).toMatch(/self-signed; taken because the server is this machine/);
    expect([missed.code, missed.told.hop]).toEqual([1, 'tone']);
    expect(missed.told.verdict).toMatch(/^Tone: 500 Hz was not heard .* only silence/);
  });

  it('a locked room refuses in the server’s own words', async () => {
    await server.api('PUT', '/rooms/4000', { locked: true });
    const all = await Promise.all([
      dial(sip('4000')),
      dial(`whip+https://127.0.0.1:${server.ports.https}/whip/4000`),
    ]);
    for (const { code, told } of all) {
      expect([code, told.hop]).toEqual([1, 'signalling']);
      expect(told.verdict).toMatch(/ 403.*: Room 4000 is locked; ask its host to unlock it\.$/);
    }
  });

  it('nobody there is told from a name that leads nowhere', async () => {
    const port = await freePort();
    const [udp, tcp, https, name] = await Promise.all([
      dial(`sip:1000@127.0.0.1:${port}`),
      dial(`sip:1000@127.0.0.1:${port};transport=tcp`),
      dial(`whip+https://127.0.0.1:${port}/whip/1000`),
      dial('sip:1000@nowhere.invalid'),
    ]);
    for (const [one, transport] of [
      [udp, 'udp'],
      [tcp, 'tcp'],
      [https, 'tcp'],
    ] as const) {
      expect([one.code, one.told.hop]).toEqual([1, 'transport']);
      expect(one.told.verdict).toMatch(`nothing listens on 127.0.0.1 port ${port} (${transport})`);
    }
    expect([name.code, name.told.hop]).toEqual([1, 'name-resolution']);
    expect(name.told.verdict).toMatch('nowhere.invalid has no address');
  });

  it('a kick and Ctrl-C both end it with a reason, and the room is empty afterwards', async () => {
    const kicked = dial(sip('5000'), '--seconds', '60', '--user', 'kicked');
    const stopped = begin(sip('5000'), '--seconds', '60', '--user', 'stopped');
    await server.until(
      'both are in',
      () => server.participants('5000'),
      p => p.length === 2,
    );
    await server.api('DELETE', '/rooms/5000/participants/kicked');
    const { code, told } = await kicked;
    expect([code, told.hop]).toEqual([1, 'signalling']);
    expect(told.verdict).toMatch(/ended the call before its time: The host has removed you/);
    expect(await stopped.stop('SIGINT', 8000)).toBe(1);
    expect(stopped.output).toMatch(/^FAIL {2}Interrupted/m);
    await server.until(
      'the room is gone',
      () => server.participants('5000'),
      p => p.length === 0,
      3000,
    );
  });

  it('misuse is one sentence', async () => {
    const wrong = begin('tel:1000');
    expect(await wrong.exited).toBe(1);
    expect(wrong.output).toMatch(/^tel: addresses cannot be dialled: write sip:[^\n]*\n$/);
  });
});
