/** A real browser publishes a tone by WHIP, gets it back by WHEP, and says what it hears. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Agent, Front, Host, LegEvent, LegRequest, MediaPacket } from '../../src/contract.ts';
import { FakeSeat, fakeHost } from '../../test/harness/fakes.ts';
import { writeWav } from '../../test/harness/wav.ts';
import { createWebRtcAgent } from './agent.ts';
import { webrtcConfig } from './config.ts';
import { createWebRtcFront } from './front.ts';
import { TestMount } from './mount.testing.ts';

const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
const found = existsSync(executablePath);
const TONE_HZ = 1000;

/** What one publishes, every player hears: a room without a room. */
class LoopSeat extends FakeSeat {
  readonly #players: FakeSeat[];
  constructor(players: FakeSeat[]) {
    super();
    this.#players = players;
  }
  override publish(...[track, on]: Parameters<FakeSeat['publish']>): ReturnType<FakeSeat['publish']> {
    const publication = super.publish(track, on);
    if (track.source !== 'mic') return publication; // its players have lines for sound only
    const sink = (packet: MediaPacket, now: number): void => {
      publication.sink(packet, now);
      for (const seat of this.#players) for (const s of seat.subscriptions) s.sink(packet, now);
    };
    return { ...publication, sink };
  }
}

const page = `<!doctype html><audio autoplay></audio><script>
async function exchange(pc, url) {
  await pc.setLocalDescription(await pc.createOffer());
  const r = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/sdp' }, body: pc.localDescription.sdp });
  if (r.status !== 201) throw new Error(r.status + ' ' + await r.text());
  await pc.setRemoteDescription({ type: 'answer', sdp: await r.text() });
  return r.headers.get('location');
}
const connected = pc => new Promise((done, fail) => {
  const look = () => pc.connectionState === 'connected' ? done() : pc.connectionState === 'failed' && fail(new Error('failed'));
  pc.addEventListener('connectionstatechange', look); look();
});
async function publish(withVideo) {
  const stream = await navigator.mediaDevices.getUserMedia({ video: withVideo, audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false } });
  window.whip = new RTCPeerConnection();
  for (const track of stream.getTracks()) whip.addTransceiver(track, { direction: 'sendonly', streams: [stream] });
  window.whipUrl = await exchange(whip, '/whip/1000?user=alice');
  await connected(whip);
}
async function play(slots) {
  window.whep = new RTCPeerConnection();
  for (let i = 0; i < slots; i++) whep.addTransceiver('audio', { direction: 'recvonly' });
  const tracks = [];
  whep.addEventListener('track', e => tracks.push(e));
  await exchange(whep, '/whep/1000?as=alice');
  await connected(whep);
  const stream = tracks[0].streams[0];
  document.querySelector('audio').srcObject = stream;
  const context = new AudioContext();
  window.analyser = context.createAnalyser();
  analyser.fftSize = 4096;
  context.createMediaStreamSource(stream).connect(analyser);
  await context.resume();
  return tracks.map(t => t.streams[0].id);
}
/** Frequency of the strongest bin and its level over the quietest tenth, dB. */
function strongest() {
  const bins = new Float32Array(analyser.frequencyBinCount);
  analyser.getFloatFrequencyData(bins);
  let best = 0;
  for (let i = 1; i < bins.length; i++) if (bins[i] > bins[best]) best = i;
  return { hz: best * analyser.context.sampleRate / analyser.fftSize, db: bins[best] };
}
</script>`;

const mount = new TestMount();
const playing: FakeSeat[] = [];
const publishing: LoopSeat[] = [];
const events: { leg: string; e: LegEvent }[] = [];
let agent: Agent;
let front: Front;
let browser: Browser;
let folder: string;
const host: Host & { readonly counts: string[] } = fakeHost({
  http: mount,
  async place(request: LegRequest, on) {
    const send = request.roles.includes('send');
    const seat = send ? new LoopSeat(playing) : new FakeSeat();
    send ? publishing.push(seat as LoopSeat) : playing.push(seat);
    const leg = await agent.take(request, seat, e => {
      events.push({ leg: request.leg, e });
      on(e);
    });
    return {
      id: request.leg,
      agent: 'a',
      participant: 'alice',
      secret: 's',
      send: command => leg.handle(command),
    };
  },
});

beforeAll(async () => {
  if (!found) return;
  folder = mkdtempSync(join(tmpdir(), 'webrtc-'));
  const samples = Float32Array.from(
    { length: 48_000 * 2 },
    (_, i) => 0.3 * Math.sin((2 * Math.PI * TONE_HZ * i) / 48_000),
  );
  writeWav(join(folder, 'tone.wav'), { rateHz: 48_000, samples });
  agent = createWebRtcAgent(host, webrtcConfig.parse({ port: 0 }));
  front = createWebRtcFront(host, webrtcConfig.parse({}));
  await agent.start();
  await front.start();
  browser = await chromium.launch({
    executablePath,
    headless: true,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--use-fake-ui-for-media-stream',
      '--use-fake-device-for-media-stream',
      `--use-file-for-fake-audio-capture=${join(folder, 'tone.wav')}`,
      '--autoplay-policy=no-user-gesture-required',
      '--allow-loopback-in-peer-connection',
      '--disable-features=WebRtcHideLocalIpsWithMdns',
    ],
  });
});
afterAll(async () => {
  if (!found) return;
  await browser.close();
  await front.close({ blame: 'none', reason: 'done' });
  await agent.close();
  mount.close();
  rmSync(folder, { recursive: true });
});

test.skipIf(!found)(
  'a browser publishes its microphone and hears it again',
  { timeout: 60_000 },
  async () => {
    const tab = await browser.newPage();
    await tab.goto(await mount.listen(page));
    // With a camera beside the microphone.
    await tab.evaluate('publish(true)');
    const streams = await tab.evaluate('play(3)');
    expect(streams).toEqual(['slot-0', 'slot-1', 'slot-2']);
    const [seat] = playing;
    for (const s of seat!.subscriptions)
      s.on({
        type: 'serving',
        format: { codec: 'opus', clockRate: 48_000, channels: 2 },
        how: 'passthrough',
      });
    const heard = () => tab.evaluate('strongest()') as Promise<{ hz: number; db: number }>;
    await expect
      .poll(async () => Math.abs((await heard()).hz - TONE_HZ) < 20 && (await heard()).db > -40, {
        timeout: 20_000,
        interval: 200,
      })
      .toBe(true);

    const [publication] = publishing[0]!.publications;
    expect(publication!.track.format).toMatchObject({ codec: 'opus', clockRate: 48_000 });
    // The level comes from the header extension: a sine of 0.3 is about -13.5 dBov RMS.
    expect(publication!.heard.at(-1)!.level).toBeGreaterThanOrEqual(12);
    expect(publication!.heard.at(-1)!.level).toBeLessThanOrEqual(16);
    expect(publishing[0]!.isConfirmed && seat!.isConfirmed).toBe(true);
    expect(host.counts.filter(c => !c.startsWith('junk/dtls-'))).toEqual([]); // a busy machine repeats flights

    // An ICE restart over PATCH keeps the media flowing.
    const before = publication!.heard.length;
    const status = await tab.evaluate(async () => {
      const { whip, whipUrl } = globalThis as unknown as { whip: RTCPeerConnectionLike; whipUrl: string };
      whip.restartIce();
      await whip.setLocalDescription(await whip.createOffer());
      const sdp = whip.localDescription.sdp;
      const body = sdp
        .split('\r\n')
        .filter(l => /^a=ice-(ufrag|pwd)/.test(l))
        .slice(0, 2)
        .join('\r\n');
      const headers = { 'content-type': 'application/trickle-ice-sdpfrag', 'if-match': '*' };
      const r = await fetch(whipUrl, { method: 'PATCH', headers, body });
      const fragment = await r.text();
      const [ufrag, pwd] = ['ufrag', 'pwd'].map(k => new RegExp(`a=ice-${k}:(.*)\\r`).exec(fragment)![1]!);
      const old = whip.currentRemoteDescription.sdp;
      await whip.setRemoteDescription({
        type: 'answer',
        sdp: old
          .replace(/a=ice-ufrag:.*\r/g, `a=ice-ufrag:${ufrag}\r`)
          .replace(/a=ice-pwd:.*\r/g, `a=ice-pwd:${pwd}\r`),
      });
      return r.status;
    });
    expect(status).toBe(200);
    await expect.poll(() => publication!.heard.length, { timeout: 10_000 }).toBeGreaterThan(before + 100);

    // Closing the connection says close_notify: the leg ends at once, not after 30 s.
    await tab.evaluate('whip.close()');
    await expect
      .poll(() => events.find(x => x.e.type === 'closed')?.e, { timeout: 10_000 })
      .toMatchObject({ why: { blame: 'client', reason: 'hung-up' } });
  },
);

interface RTCPeerConnectionLike {
  restartIce(): void;
  createOffer(): Promise<{ sdp: string }>;
  setLocalDescription(d: unknown): Promise<void>;
  setRemoteDescription(d: unknown): Promise<void>;
  localDescription: { sdp: string };
  currentRemoteDescription: { sdp: string };
}
