import { createSocket } from 'node:dgram';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RTCPeerConnection } from 'werift';
import WebSocket from 'ws';
import { digestPassword, mintToken } from '../../src/ops/tokens.ts';
import { Child, missing } from '../harness/child.ts';
import { Baresip } from '../harness/peers/baresip.ts';
import { Server } from '../harness/server.ts';

const SECRET = 'a-test-secret-of-at-least-32-bytes!!';
const OLD_SECRET = 'the-secret-before-that-one-32-bytes!';
const AUTH = `auth: { apps: [{ key: demo, secrets: ['${SECRET}', '${OLD_SECRET}'] }] }`;
const inAnHour = (): number => Math.floor(Date.now() / 1000) + 3600;

interface Claims {
  room?: string;
  user?: string;
  exp?: number;
  secret?: string;
  can?: string[];
}
const token = ({
  room = '1000',
  user = 'alice',
  exp = inAnHour(),
  secret = SECRET,
  can = ['publish', 'subscribe'],
}: Claims = {}) => mintToken({ key: 'demo', secrets: [secret] }, { room, user, exp, can });

/** Every way a credential can be wrong, and the one right way. */
const CREDENTIALS: [string, boolean, () => Promise<string | undefined>][] = [
  ['none', false, async () => undefined],
  ['a forged one', false, () => token({ secret: 'another-secret-of-32-bytes-or-more!!' })],
  ['an expired one', false, () => token({ exp: Math.floor(Date.now() / 1000) - 10 })],
  ['one for another room', false, () => token({ room: '2000' })],
  ['one for another user', false, () => token({ user: 'bob' })],
  ['a good one', true, () => token()],
  ['one by the older secret', true, () => token({ secret: OLD_SECRET })],
];

const dir = mkdtempSync(join(tmpdir(), 'access-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const requiring = (name: string): Promise<Server> =>
  Server.start(join(dir, name.replaceAll(' ', '-')), 'one process', AUTH);

describe('with tokens required', () => {
  // A server each: one address may not try many wrong credentials.
  describe.each(CREDENTIALS)('%s', (name, good, mint) => {
    let server: Server;
    beforeAll(async () => {
      server = await requiring(name);
    });
    afterAll(() => server.stop());

    it('at WHIP', async () => {
      const bearer = await mint();
      const { status, type } = await whip(server, bearer);
      expect(status).toBe(good ? 201 : 401);
      if (!good) expect(type).toBe('urn:roombridge:problem:not-authorized');
    });
    it('at STOMP', async () => {
      const frame = await stomp(server, await mint());
      expect(frame.split('\n')[0]).toBe(good ? 'MESSAGE' : 'ERROR');
      if (!good) expect(frame).toMatch(/not-authorized|too-many-tries/);
    });
    it('at SIP', async () => {
      const credential = await mint();
      const response = await invite(server, credential);
      // Without any credential a phone is challenged: it may know digest only.
      expect(response.split('\r\n')[0]).toMatch(
        good ? / 200 / : credential === undefined ? / 401 / : / 40[13] /,
      );
    });
    it.skipIf(missing('ffmpeg'))('at RTMP', async () => {
      const credential = await mint();
      const query = credential === undefined ? '' : `?token=${credential}`;
      const ffmpeg = new Child('ffmpeg', 'ffmpeg', [
        '-hide_banner',
        '-nostdin',
        '-re',
        '-f',
        'lavfi',
        '-i',
        'sine=frequency=440:sample_rate=48000',
        '-t',
        '2',
        '-c:a',
        'aac',
        '-f',
        'flv',
        `${server.rtmp}/room/1000/alice${query}`,
      ]); // prettier-ignore
      expect(await ffmpeg.exited).toBe(good ? 0 : 1);
    });
    it('writes nothing of it into the log', async () => {
      expect(server.log()).toMatch(good ? /opened/ : /refused/);
      expect(server.log()).not.toMatch(/eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,}/);
    });
  });
});

describe('beyond tokens', () => {
  let server: Server;
  beforeAll(async () => {
    server = await requiring('beyond');
  });
  afterAll(() => server.stop());

  it.skipIf(missing('baresip'))('lets a phone in that knows only digest', async () => {
    const user = `${inAnHour()}:1000:desk`;
    const phone = await Baresip.start({
      dir: join(dir, 'digest'),
      user: 'desk',
      codecs: 'pcmu/8000/1',
      plays: { rateHz: 48_000, samples: new Float32Array(48_000) },
      account: `;auth_user=${user};auth_pass=${digestPassword(SECRET, user)}`,
    });
    try {
      await phone.dial(`sip:1000@${server.sip}`);
      await phone.established();
      expect(await server.participants('1000')).toEqual(['desk']);
    } catch (error) {
      console.error(phone.output, server.log());
      throw error;
    } finally {
      await phone.stop();
    }
  });

  it('lets nobody publish whose token permits only to listen', async () => {
    const { status, type } = await whip(server, await token({ can: ['subscribe'] }));
    expect([status, type]).toEqual([403, 'urn:roombridge:problem:not-permitted']);
  });
});

async function whip(server: Server, bearer: string | undefined): Promise<{ status: number; type?: string }> {
  const peer = new RTCPeerConnection();
  peer.addTransceiver('audio', { direction: 'sendonly' });
  await peer.setLocalDescription(await peer.createOffer());
  const response = await fetch(`${server.web}/whip/1000?user=alice`, {
    method: 'POST',
    headers: { 'content-type': 'application/sdp', ...(bearer && { authorization: `Bearer ${bearer}` }) },
    body: peer.localDescription?.sdp ?? '',
  });
  await peer.close();
  const body = await response.text();
  if (response.status === 201) {
    await fetch(new URL(response.headers.get('location') ?? '', server.web), {
      method: 'DELETE',
      headers: { authorization: `Bearer ${bearer}` },
    });
    return { status: 201 };
  }
  return { status: response.status, type: JSON.parse(body).type };
}

/** The first frame after SUBSCRIBE. */
function stomp(server: Server, passcode: string | undefined): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`${server.web.replace('http', 'ws')}/stomp`, 'v12.stomp');
    socket.on('error', reject);
    socket.on('open', () =>
      socket.send(`CONNECT\naccept-version:1.2\nlogin:alice\npasscode:${passcode ?? ''}\n\n\0`),
    );
    socket.on('message', (data: Buffer) => {
      const frame = data.toString();
      if (frame.startsWith('CONNECTED')) return socket.send('SUBSCRIBE\nid:0\ndestination:/room/1000\n\n\0');
      socket.close();
      resolve(frame);
    });
  });
}

/** The final response to one INVITE; an answered call is hung up. */
function invite(server: Server, credential: string | undefined): Promise<string> {
  const socket = createSocket('udp4');
  return new Promise<string>((resolve, reject) => {
    socket.bind(0, '127.0.0.1', () => {
      const port = socket.address().port;
      const id = Math.random().toString(36).slice(2);
      const sdp = `v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio ${port + 1} RTP/AVP 0\r\n`;
      const request = (method: string, cseq: number, to: string, extra: string[], body = ''): string =>
        [
          `${method} sip:1000@${server.sip} SIP/2.0`,
          `Via: SIP/2.0/UDP 127.0.0.1:${port};branch=z9hG4bK${id}${method}`,
          `From: <sip:alice@127.0.0.1>;tag=${id}`,
          to,
          `Call-ID: ${id}`,
          `CSeq: ${cseq} ${method}`,
          `Contact: <sip:alice@127.0.0.1:${port}>`,
          'Max-Forwards: 70',
          ...extra,
          `Content-Length: ${Buffer.byteLength(body)}`,
          '',
          body,
        ].join('\r\n');
      const send = (text: string): void => socket.send(text, server.ports.sip, '127.0.0.1');
      const giveUp = setTimeout(() => reject(new Error('no final response to INVITE')), 8000);
      socket.on('message', data => {
        const text = data.toString();
        if (/^SIP\/2\.0 1/.test(text) || !/CSeq: 1 INVITE/i.test(text)) return;
        clearTimeout(giveUp);
        const to = /^To:.*$/im.exec(text)?.[0] ?? '';
        send(request('ACK', 1, to, []));
        if (/^SIP\/2\.0 200/.test(text)) send(request('BYE', 2, to, []));
        resolve(text);
      });
      const header = credential === undefined ? [] : [`X-Roombridge-Token: ${credential}`];
      send(
        request(
          'INVITE',
          1,
          `To: <sip:1000@${server.sip}>`,
          [...header, 'Content-Type: application/sdp'],
          sdp,
        ),
      );
    });
  }).finally(() => setTimeout(() => socket.close(), 300));
}
