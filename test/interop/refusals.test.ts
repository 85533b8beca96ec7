import { createSocket } from 'node:dgram';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { Child, missing } from '../harness/child.ts';
import { toneOf } from '../harness/heard.ts';
import { Capture } from '../harness/peers/capture.ts';
import { publish } from '../harness/peers/ffmpeg.ts';
import { freePort } from '../harness/ports.ts';
import { Stage } from '../harness/stage.ts';

const PROGRAM = fileURLToPath(new URL('../../bin/roombridge.js', import.meta.url));
/** A loader that finds everything but FFmpeg's package. */
const WITHOUT_FFMPEG = `data:text/javascript,${encodeURIComponent(`
  import { register } from 'node:module';
  register('data:text/javascript,' + encodeURIComponent(\`export async function resolve(name, context, next) {
    if (name.startsWith('node-av')) throw Object.assign(new Error('not installed'), { code: 'ERR_MODULE_NOT_FOUND' });
    return next(name, context);
  }\`));
`)}`;
/** One capital letter, one full stop at the end, more than a word. */
const SENTENCE = /^[A-Z].{15,}\.$/;

describe('refusals are in words', () => {
  let stage: Stage;
  beforeAll(async () => void (stage = await Stage.open('one process')));
  afterAll(() => stage?.close());
  afterEach(t => stage.tell(t.task));

  it.skipIf(missing('ffmpeg'))('RTMP: a path that names no room', async () => {
    const ffmpeg = publish(stage.dir('ffmpeg'), `${stage.server.rtmp}/live/stream`, toneOf(0, 5));
    expect(await ffmpeg.exited).not.toBe(0);
    expect(ffmpeg.output).toContain('room/<room>[/<user>[/screen]]');
  });

  it.skipIf(missing('ffmpeg', 'tshark'))('RTMP: BadName, with the rule', async ({ onTestFinished }) => {
    const { rtmp } = stage.server.ports;
    const wire = await Capture.start(stage.dir('wire'), `tcp port ${rtmp}`);
    onTestFinished(() => wire.stop());
    const ffmpeg = publish(stage.dir('ffmpeg'), `${stage.server.rtmp}/room/1000`, toneOf(0, 5));
    await ffmpeg.exited;
    const told = await wire.read(`tcp.port==${rtmp},rtmpt`, 'rtmpt', 'amf.string');
    expect(told).toMatch(/NetStream\.Publish\.BadName,description,Publishing needs a user in the path/);
  });

  it('HTTP: problem+json with a sentence', async () => {
    const { web, adminKey } = stage.server;
    const key = { authorization: `Bearer ${adminKey}` };
    const sdp = { 'content-type': 'application/sdp' };
    const asked: [number, string, RequestInit][] = [
      [401, '/api/v1/rooms', {}],
      [404, '/api/v1/rooms/nowhere', { headers: key }],
      [
        400,
        '/api/v1/rooms/1000',
        { method: 'PUT', headers: { ...key, 'content-type': 'application/json' }, body: '{' },
      ],
      [404, '/nowhere', {}],
      [400, '/whip/1000?user=a', { method: 'POST', headers: sdp, body: 'junk' }],
      [415, '/whip/1000?user=a', { method: 'POST', headers: { 'content-type': 'text/plain' }, body: 'v=0' }],
    ];
    for (const [status, path, init] of asked) {
      const answer = await fetch(web + path, init);
      const problem = (await answer.json()) as {
        type: string;
        title: string;
        status: number;
        detail: string;
      };
      expect([path, answer.status, answer.headers.get('content-type')]).toEqual([
        path,
        status,
        expect.stringMatching(/^application\/problem\+json/),
      ]);
      expect(problem.status).toBe(status);
      expect(problem.type).toMatch(/^urn:roombridge:problem:[a-z-]+$/);
      expect(problem.detail.length, problem.detail).toBeGreaterThan(15);
    }
  });

  it('HTTP: a monstrous header', async () => {
    const socket = connect(stage.server.ports.http, '127.0.0.1');
    socket.write(`GET / HTTP/1.1\r\nHost: x\r\nX-Long: ${'x'.repeat(40_000)}\r\n\r\n`);
    let answer = '';
    for await (const data of socket) answer += data;
    expect(answer).toMatch(/^HTTP\/1\.1 431 .*\r\n/);
    expect(answer).toContain('application/problem+json');
    expect(JSON.parse(answer.split('\r\n\r\n')[1] ?? '').detail).toMatch(SENTENCE);
  });

  it.each([
    ['not a frame', 'GET / HTTP/1.1\r\n\r\n'],
    ['a frame that does not fit here', 'SUBSCRIBE\nid:0\ndestination:/room/1000\n\n\0'],
    ['an old version', 'CONNECT\naccept-version:1.0\nhost:x\n\n\0'],
  ])('STOMP: an ERROR frame for %s', async (_what, text) => {
    const socket = new WebSocket(`${stage.server.web.replace('http', 'ws')}/stomp`, 'v12.stomp');
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
    const closed = new Promise(resolve => socket.once('close', resolve));
    const frame = new Promise<string>(resolve => socket.once('message', data => resolve(data.toString())));
    socket.send(text);
    const [head = '', body = ''] = (await frame).replace('\0', '').split('\n\n');
    expect(head).toMatch(/^ERROR\n(.*\n)*message:[a-z-]+/);
    expect(body).toMatch(SENTENCE);
    await closed;
  });
});

describe('what it cannot start with is said in one sentence', () => {
  const dir = mkdtempSync(join(tmpdir(), 'roombridge-start-'));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  async function up(yaml: string): Promise<{ code: number | null; lines: string[] }> {
    const file = join(dir, 'roombridge.yaml');
    writeFileSync(file, `dataDir: ${join(dir, 'data')}\n${yaml}`);
    const child = new Child('roombridge', process.execPath, [PROGRAM, 'up', '--config', file]);
    const code = await child.exited;
    return { code, lines: child.output.split('\n').filter(line => line !== '') };
  }
  const ports = async (more: Record<string, number> = {}): Promise<string> => {
    const p = {
      sip: await freePort(),
      rtmp: await freePort(),
      http: await freePort(),
      https: await freePort(),
      webrtc: await freePort(),
      ...more,
    };
    return [
      `http: { address: 127.0.0.1, httpsPort: ${p.https}, httpPort: ${p.http} }`,
      `sip: { address: 127.0.0.1, port: ${p.sip} }`,
      `rtmp: { address: 127.0.0.1, port: ${p.rtmp} }`,
      `webrtc: { address: 127.0.0.1, port: ${p.webrtc} }`,
    ].join('\n');
  };

  it.each([
    ['sip', 'sip.port'],
    ['rtmp', 'rtmp.port'],
    ['https', 'http.httpsPort'],
    ['webrtc', 'webrtc.port'],
  ])('the %s port is in use', async (what, key) => {
    const taken = await freePort();
    const tcp = createServer().listen(taken, '127.0.0.1');
    const udp = createSocket('udp4');
    await new Promise<void>(resolve => udp.bind(taken, '127.0.0.1', resolve));
    const { code, lines } = await up(await ports({ [what]: taken }));
    tcp.close();
    udp.close();
    expect(lines, lines.join('\n')).toHaveLength(1);
    expect(lines[0]).toContain(String(taken));
    expect(lines[0]).toContain(key);
    expect(lines[0]).toMatch(/[.?]$/);
    expect(code).toBe(1);
  });

  it.each([
    ['an unknown key', 'sip: { prot: 5060 }', /sip\.prot.*\bport\b/],
    ['a bad value', 'rooms: { maxRooms: many }', /rooms\.maxRooms/],
    ['no YAML', 'sip: {', /roombridge\.yaml/],
    ['roles without a bus', 'roles: [front]', /bus\.url/],
    ['a bus that is not there', 'bus: { url: nats://127.0.0.1:1 }', /127\.0\.0\.1:1/],
  ])('%s', async (_what, yaml, says) => {
    const { code, lines } = await up(yaml);
    expect(lines, lines.join('\n')).toHaveLength(1);
    expect(lines[0]).toMatch(says);
    expect(lines[0]).toMatch(/[.?]$/);
    expect(code).toBe(1);
  });
});

const suite = missing('ffmpeg', 'tshark', 'baresip') ? describe.skip : describe;

suite('without the AAC library', () => {
  it('a publisher is told that it has no sound, and its picture goes on', async t => {
    const end = t.onTestFinished;
    const stage = await Stage.open('one process', '', ['--import', WITHOUT_FFMPEG]);
    end(async () => void (await stage.close()));
    t.onTestFailed(() => console.error(stage.server.log()));
    const { rtmp } = stage.server.ports;
    const wire = await Capture.start(stage.dir('wire'), `tcp port ${rtmp}`);
    end(() => wire.stop());
    const wx = stage.publisher(end, '1000', 'wx', 0);
    await stage.phone(end, '1000', 'bob', 1);
    await stage.members('1000', 'bob', 'wx');
    const tracks = await stage.server.until(
      'its picture',
      () =>
        stage.server.api<{ participant: string; tracks: { format: { codec: string } }[] }[]>(
          'GET',
          '/rooms/1000/participants',
        ),
      all => all?.find(m => m.participant === 'wx')?.tracks.length === 1,
    );
    expect(tracks?.find(m => m.participant === 'wx')?.tracks[0]?.format.codec).toBe('H264');
    expect(wx.process.exitCode, 'it goes on').toBeNull();
    const told = await wire.read(`tcp.port==${rtmp},rtmpt`, 'rtmpt', 'amf.string');
    expect(told).toMatch(/NetStream\.Publish\.NoSound,description,.*AAC needs FFmpeg/);
    expect(stage.server.log()).toContain('AAC needs FFmpeg');
    expect(stage.server.bugs()).toEqual([]);
  }, 30_000);
});
