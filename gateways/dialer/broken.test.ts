/** Servers that are broken at one hop each, and what the dialer says of them. Time runs ten times as fast. */
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { Clock } from '../../src/contract.ts';
import { type Drive, drive } from '../../src/io/drive.ts';
import { openFlows } from '../../src/io/flows.ts';
import { openUdp } from '../../src/io/udp.ts';
import { Refusal } from '../../src/kit/refusal.ts';
import { isRtcp } from '../../src/proto/rtp/rtp.ts';
import { RtpSession } from '../../src/proto/rtp/session.ts';
import { answerAudio } from '../../src/proto/sdp/audio.ts';
import { parseSdp, writeSdp } from '../../src/proto/sdp/sdp.ts';
import { SipEndpoint } from '../../src/proto/sip/endpoint.ts';
import type { SipInput } from '../../src/proto/sip/events.ts';
import { EndpointSignalling } from '../../src/proto/sip/signalling.ts';
import { writeAnswer } from '../../src/proto/webrtc/answer.ts';
import { IceLite, iceCredentials } from '../../src/proto/webrtc/ice-lite.ts';
import { readOffer } from '../../src/proto/webrtc/offer.ts';
import { readStun } from '../../src/proto/webrtc/stun.ts';
import { dial } from './index.ts';

const SPEED = 10;
const clock: Clock = {
  now: () => performance.now() * SPEED,
  at(when, run) {
    const timer = setTimeout(run, Math.max(0, when / SPEED - performance.now()));
    return () => clearTimeout(timer);
  },
};

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** What the dialer says, as JSON. */
interface Told {
  readonly pass: boolean;
  readonly hop?: string;
  readonly verdict: string;
  readonly steps: readonly { readonly name: string }[];
}

async function dialled(target: string): Promise<Told> {
  const codec = target.startsWith('sip:') ? 'PCMA' : undefined;
  const ask = { target, toneHz: 440, seconds: 1, codec, soundOnly: true, insecure: false } as const;
  const { json } = await dial(ask, () => {}, new AbortController().signal, clock);
  return json as unknown as Told;
}

/** A SIP server on loopback that answers `with`: or rings for ever, and whose media does only what is told. */
async function sipServer(o: { rings?: boolean; speaks?: boolean; hears?: boolean; reports?: boolean }) {
  const now = clock.now();
  const session = new RtpSession({ cname: 'x', random: randomBytes, unixAtZero: Date.now() - now, now });
  session.receiver.expect(new Map([[8, 8000]]));
  const udp = await openUdp({
    family: 4,
    address: '127.0.0.1',
    port: 0,
    clock,
    on: (bytes, _address, _port, at) => {
      if (isRtcp(bytes)) session.rtcp(bytes, at);
      else if (o.hears) session.receiver.read(bytes, at);
    },
  });
  let run: Drive<SipInput> | undefined;
  const flows = await openFlows({ address: '127.0.0.1', port: 0, tcp: false, setting: '' }, clock, {
    datagram: (flow, bytes) => run?.feed({ type: 'datagram', flow, bytes }),
    chunk() {},
    closed() {},
    junk() {},
  });
  const endpoint = new SipEndpoint({
    random: randomBytes,
    local: () => ({ host: '127.0.0.1', port: flows.port }),
    name: 'broken',
  });
  let stop = (): void => {};
  const signalling = new EndpointSignalling(input => run?.feed(input), {
    send: (flow, bytes) => flows.send(flow, bytes),
    hangUp() {},
    count() {},
    bug(_call, error) {
      throw error;
    },
    incoming(invite, call) {
      call.progress(180);
      const offer = parseSdp(invite.sdp ?? '');
      if (typeof offer === 'string') throw new Error(offer);
      const answer = answerAudio(offer, {
        sessionId: '1',
        address: '127.0.0.1',
        port: udp.port,
        codecs: ['PCMA'],
        direction: 'sendrecv',
      });
      if (answer instanceof Refusal) throw answer;
      const to = answer.plan.remote;
      if (o.rings || to === undefined) return () => {};
      call.answer(writeSdp(answer.sdp));
      session.sender.format(8, 8000);
      const payload = new Uint8Array(160).fill(0xd5);
      const out = new Uint8Array(200);
      let seq = 0;
      const tick = (): void => {
        const at = clock.now();
        if (o.speaks) {
          const n = session.sender.write({ seq, pts: seq * 160, marker: false, payload }, out, at);
          udp.send(out.slice(0, n), n, to.port, to.address);
          seq++;
        }
        if (o.reports && at >= session.deadline) {
          const report = session.report(at);
          udp.send(report, report.length, to.port, to.address);
        }
        stop = clock.at(at + 20, tick);
      };
      tick();
      return e => {
        if (e.type === 'ended') stop();
      };
    },
  });
  run = drive(endpoint, clock, out => signalling.act(out));
  closers.push(
    () => udp.close(),
    () => flows.close(),
    () => run?.stop(),
    () => stop(),
  );
  return { target: `sip:1000@127.0.0.1:${flows.port}`, endpoint };
}

describe('a SIP server', () => {
  it('with nothing wrong passes, and is left without a call', async () => {
    const { target, endpoint } = await sipServer({ speaks: true, hears: true, reports: true });
    expect(await dialled(target)).toMatchObject({ pass: true, codec: 'PCMA' });
    expect(endpoint.load.calls).toBe(0);
  });
  it('that hears but does not speak fails at media in', async () => {
    const { target, endpoint } = await sipServer({ hears: true, reports: true });
    const said = await dialled(target);
    expect(said).toMatchObject({ pass: false, hop: 'media-in' });
    expect(said.verdict).toMatch(/^Media in: the server hears us, but no packet of it came/);
    expect(endpoint.load.calls).toBe(0);
  });
  it('that speaks but reports nothing heard fails at media out', async () => {
    const said = await dialled((await sipServer({ speaks: true, reports: true })).target);
    expect(said).toMatchObject({ pass: false, hop: 'media-out' });
    expect(said.verdict).toMatch(/none of its \d+ RTCP reports says it received any of our \d+ packets/);
  });
  it('that speaks and never reports leaves it open', async () => {
    const said = await dialled((await sipServer({ speaks: true, hears: true })).target);
    expect(said).toMatchObject({ pass: false, hop: 'media-out' });
    expect(said.verdict).toMatch(/no RTCP report came in 9 s/);
  });
  it('without media at all says where it was sent', async () => {
    const said = await dialled((await sipServer({})).target);
    expect(said).toMatchObject({ pass: false, hop: 'media-out' });
    expect(said.verdict).toMatch(/nothing went through either way \(sent to 127\.0\.0\.1:\d+\)/);
  });
  it('that rings for ever is given up, by CANCEL', async () => {
    const { target, endpoint } = await sipServer({ rings: true });
    const said = await dialled(target);
    expect(said).toMatchObject({ pass: false, hop: 'signalling' });
    expect(said.verdict).toMatch(/nobody picked up in 30 s/);
    expect(endpoint.load.calls).toBe(0);
  });
  it('that never says a word is told from a closed port', async () => {
    const deaf = await openUdp({ family: 4, address: '127.0.0.1', port: 0, clock, on() {} });
    closers.push(() => deaf.close());
    const said = await dialled(`sip:1000@127.0.0.1:${deaf.port}`);
    expect(said).toMatchObject({ pass: false, hop: 'transport' });
    expect(said.verdict).toMatch(/\(udp\) did not answer in 10 s/);
  });
});

/** A WHIP server whose media port answers ICE checks or nothing, and never a handshake. */
async function whipServer(checks: boolean): Promise<string> {
  const credentials = iceCredentials(randomBytes);
  const ice = new IceLite(credentials, 0);
  const udp = await openUdp({
    family: 4,
    address: '127.0.0.1',
    port: 0,
    clock,
    on: (bytes, address, port, now) => {
      const stun = checks ? readStun(bytes) : undefined;
      if (stun === undefined || typeof stun === 'string') return;
      const verdict = ice.check(stun, { address, port }, now);
      if (typeof verdict !== 'string') udp.send(verdict.reply, verdict.reply.length, port, address);
    },
  });
  const http = createServer(async (request, response) => {
    let body = '';
    for await (const part of request) body += part;
    const { media: offered } = readOffer(body);
    const fingerprint = { algorithm: 'sha-256', value: Array(32).fill('AB').join(':') } as const;
    const answered = offered.map(
      m => ({ direction: 'recvonly', formats: m.formats, extensions: [], feedback: [] }) as const,
    );
    const candidates = [{ address: '127.0.0.1', port: udp.port }];
    const answer = writeAnswer({
      sessionId: '1',
      ice: credentials,
      fingerprint,
      candidates,
      offered,
      answered,
    });
    response.writeHead(201, { 'content-type': 'application/sdp' }).end(answer);
  });
  await new Promise<void>(done => http.listen(0, '127.0.0.1', done));
  closers.push(
    () => udp.close(),
    () => http.close(),
  );
  return `whip+http://127.0.0.1:${(http.address() as AddressInfo).port}/whip/1000`;
}

describe('a WHIP server', () => {
  it('whose media port is silent fails at ICE', async () => {
    const said = await dialled(await whipServer(false));
    expect(said).toMatchObject({ pass: false, hop: 'ice' });
    expect(said.verdict).toMatch(
      /^ICE: no check of the WHIP session to 127\.0\.0\.1:\d+ \(udp\) was answered/,
    );
    expect(said.steps.map(s => s.name)).toEqual(['connected', 'WHIP 201']);
  });
  it('that answers checks but no handshake fails at DTLS', async () => {
    const said = await dialled(await whipServer(true));
    expect(said).toMatchObject({ pass: false, hop: 'dtls' });
    expect(said.steps.map(s => s.name)).toEqual(['connected', 'WHIP 201', 'WHIP ICE']);
  });
  it('that is no WHIP server refuses in its own way', async () => {
    const http = createServer((_, response) => void response.writeHead(404).end('<html>'));
    await new Promise<void>(done => http.listen(0, '127.0.0.1', done));
    closers.push(() => http.close());
    const port = (http.address() as AddressInfo).port;
    const said = await dialled(`whip+http://127.0.0.1:${port}/whip/1000`);
    expect(said).toMatchObject({ pass: false, hop: 'signalling' });
    expect(said.verdict).toMatch(/with 404, and does not say why/);
    const tls = await dialled(`whip+https://127.0.0.1:${port}/whip/1000`);
    expect(tls).toMatchObject({ pass: false, hop: 'transport' });
    expect(tls.verdict).toMatch(/does not speak TLS/);
  });
});

it('an interruption ends a call before anybody answers it', async () => {
  const { target, endpoint } = await sipServer({ rings: true });
  const stop = new AbortController();
  const ask = { target, toneHz: 440, seconds: 1, soundOnly: true, insecure: false };
  const { pass, json } = await dial(ask, text => text.startsWith('180') && stop.abort(), stop.signal, clock);
  expect([pass, json]).toMatchObject([false, { hop: 'interrupted' }]);
  expect(endpoint.load.calls).toBe(0);
});
