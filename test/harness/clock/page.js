/**
 * In Chromium: publishes a picture with the time of this machine burned in, and plays one, reading it from what is
 * shown. Bundled by `tab.ts`; everything the tests call is in `clockPage`.
 */
import { block, toBits, whole } from '../../../codecs/video/pattern-code.ts';
import { readPattern, rgbOf } from '../../../codecs/video/pattern-read.ts';

/** What is shown is read at this size: enough for the blocks, little to copy. */
const READ = { width: 256, height: 144 };
const WRAP_MS = 2 ** 32;

const plays = new Map();

/** Draws `fps` pictures a second: white noise above (bits for the encoder to spend), the blocks, a plain colour. */
function picture({ width, height, fps, noise }) {
  const canvas = Object.assign(document.createElement('canvas'), { width, height });
  const c = canvas.getContext('2d');
  const small = new OffscreenCanvas(160, 30);
  const s = small.getContext('2d');
  const grain = s.createImageData(160, 30);
  const area = whole({ width, height });
  let number = 0;
  setInterval(() => {
    c.fillStyle = '#1e9628';
    c.fillRect(0, 0, width, height);
    if (noise) {
      for (let i = 0; i < grain.data.length; i += 4)
        grain.data.set([Math.random() * 255, Math.random() * 255, Math.random() * 255, 255], i);
      s.putImageData(grain, 0, 0);
      c.drawImage(small, 0, 0, width, height * 0.3);
    }
    toBits(number++ % 65_536, Date.now() % WRAP_MS).forEach((bit, i) => {
      const { x, y, width: w, height: h } = block(i, area);
      c.fillStyle = bit ? '#fff' : '#000';
      c.fillRect(Math.round(x), Math.round(y), Math.ceil(w), Math.ceil(h));
    });
  }, 1000 / fps);
  return canvas.captureStream(fps).getVideoTracks()[0];
}

/** `port`: where the media goes instead of to the server itself. `startKbps`: the browser's first guess of its line. */
async function exchange(pc, url, { port, startKbps } = {}) {
  await pc.setLocalDescription(await pc.createOffer());
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/sdp' },
    body: pc.localDescription.sdp,
  });
  if (answer.status !== 201) throw new Error(`${answer.status} ${await answer.text()}`);
  let sdp = await answer.text();
  if (port) sdp = sdp.replace(/( udp \d+ \S+) \d+ typ/g, `$1 ${port} typ`);
  if (startKbps)
    sdp = sdp.replace(/(a=fmtp:\d+ .*profile-level-id.*)/g, `$1;x-google-start-bitrate=${startKbps}`);
  await pc.setRemoteDescription({ type: 'answer', sdp });
}

const connected = pc =>
  new Promise((done, fail) => {
    const look = () => {
      if (pc.connectionState === 'connected') done();
      else if (pc.connectionState === 'failed') fail(new Error('not connected'));
    };
    pc.addEventListener('connectionstatechange', look);
    look();
  });

globalThis.clockPage = {
  publishers: new Map(),

  /** `layers`: encodings of a simulcast, as for `addTransceiver`. */
  async publish(url, { width = 640, height = 360, fps = 15, maxBitrate, layers, noise = false, codec }) {
    const pc = new RTCPeerConnection();
    this.publishers.set(url, pc);
    const transceiver = pc.addTransceiver(picture({ width, height, fps, noise }), {
      direction: 'sendonly',
      sendEncodings: layers ?? [maxBitrate ? { maxBitrate } : {}],
    });
    if (codec) {
      const all = RTCRtpSender.getCapabilities('video').codecs;
      transceiver.setCodecPreferences(
        all.filter(c => c.mimeType === `video/${codec}` || /rtx/.test(c.mimeType)),
      );
    }
    await exchange(pc, url, { startKbps: layers && 1500 });
    await connected(pc);
  },

  async published(url) {
    const stats = [...(await this.publishers.get(url).getStats()).values()];
    return stats
      .filter(s => s.type === 'outbound-rtp' && s.kind === 'video')
      .map(s => ({
        rid: s.rid,
        bytes: s.bytesSent,
        width: s.frameWidth,
        frames: s.framesEncoded,
        target: s.targetBitrate,
        timestamp: s.timestamp,
      }));
  },

  async play(url, { name, sound = true, port }) {
    const pc = new RTCPeerConnection();
    if (sound) pc.addTransceiver('audio', { direction: 'recvonly' });
    pc.addTransceiver('video', { direction: 'recvonly' });
    const video = Object.assign(document.createElement('video'), {
      muted: true,
      autoplay: true,
      playsInline: true,
    });
    document.body.append(video);
    const play = { pc, video, began: Date.now(), connectedMs: 0, shown: [], unread: 0 };
    plays.set(name, play);
    const canvas = new OffscreenCanvas(READ.width, READ.height);
    const c = canvas.getContext('2d', { willReadFrequently: true });
    const look = () => {
      const at = Date.now();
      c.drawImage(video, 0, 0, READ.width, READ.height);
      const { data } = c.getImageData(0, 0, READ.width, READ.height);
      const seen = readPattern(rgbOf(READ.width, READ.height, data, 4));
      if (seen === undefined) play.unread++;
      else {
        let delayMs = (at % WRAP_MS) - seen.clockMs;
        if (delayMs < -WRAP_MS / 2) delayMs += WRAP_MS;
        play.shown.push({ at, delayMs, number: seen.frameNumber, width: video.videoWidth });
      }
      if (play.shown.length === 0 && play.unread === 1) play.firstAt = at;
      play.firstAt ??= at;
      video.requestVideoFrameCallback(look);
    };
    video.requestVideoFrameCallback(look);
    pc.addEventListener('track', e => {
      if (e.track.kind === 'video') video.srcObject = e.streams[0] ?? new MediaStream([e.track]);
    });
    await exchange(pc, url, { port });
    await connected(pc);
    play.connectedMs = Date.now() - play.began;
  },

  async seen(name) {
    const play = plays.get(name);
    const stats = [...(await play.pc.getStats()).values()];
    const rtp = stats.find(s => s.type === 'inbound-rtp' && s.kind === 'video') ?? {};
    return {
      began: play.began,
      connectedMs: play.connectedMs,
      firstMs: play.firstAt === undefined ? undefined : play.firstAt - play.began,
      unread: play.unread,
      shown: play.shown,
      freezes: rtp.freezeCount ?? 0,
      frozenMs: (rtp.totalFreezesDuration ?? 0) * 1000,
      bytes: rtp.bytesReceived ?? 0,
      decoded: rtp.framesDecoded ?? 0,
      lost: rtp.packetsLost ?? 0,
      bufferMs: (rtp.jitterBufferDelay ?? 0) * 1000,
      buffered: rtp.jitterBufferEmittedCount ?? 0,
      codec: stats.find(s => s.id === rtp.codecId)?.mimeType,
      now: Date.now(),
    };
  },

  stop(name) {
    const play = plays.get(name);
    play?.pc.close();
    play?.video.remove();
    plays.delete(name);
  },
};
