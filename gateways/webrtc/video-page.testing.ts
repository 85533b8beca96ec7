/** The page publishes and plays; what it sees is told by `seen`. */
export const page = `<!doctype html><body></body><script>
async function exchange(pc, url, startKbps) {
  await pc.setLocalDescription(await pc.createOffer());
  const r = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/sdp' }, body: pc.localDescription.sdp });
  if (r.status !== 201) throw new Error(r.status + ' ' + await r.text());
  let sdp = await r.text();
  // On a busy machine the browser's first guess of its bandwidth is too low for two layers: no probe of it is on time.
  if (startKbps) sdp = sdp.replace(/(a=fmtp:\\d+ .*profile-level-id.*)/g, '$1;x-google-start-bitrate=' + startKbps);
  await pc.setRemoteDescription({ type: 'answer', sdp });
}
const connected = pc => new Promise((done, fail) => {
  const look = () => pc.connectionState === 'connected' ? done() : pc.connectionState === 'failed' && fail(new Error('failed'));
  pc.addEventListener('connectionstatechange', look); look();
});
const peers = {};
async function publish(name, { simulcast, screen } = {}) {
  const stream = screen ? painted() : await navigator.mediaDevices.getUserMedia({ audio: true, video: { width: 640, height: 360, frameRate: 20 } });
  const pc = peers[name] = new RTCPeerConnection();
  for (const track of stream.getTracks())
    pc.addTransceiver(track, { direction: 'sendonly', streams: [stream], ...(track.kind === 'video' && simulcast && { sendEncodings: [
      { rid: 'h', scaleResolutionDownBy: 2, maxBitrate: 100000 }, { rid: 'f', maxBitrate: 500000 } ] }) }); // Chromium sends no third layer of so small a picture
  await exchange(pc, '/whip/1000?user=' + name + (screen ? '&track=screen' : ''), simulcast ? 1500 : 0);
  await connected(pc);
  return pc.remoteDescription.sdp;
}
/** A picture that changes all the time: red, with a white bar that moves. */
function painted() {
  const canvas = Object.assign(document.createElement('canvas'), { width: 320, height: 240 });
  const c = canvas.getContext('2d');
  let n = 0;
  setInterval(() => { c.fillStyle = '#c00'; c.fillRect(0, 0, 320, 240); c.fillStyle = '#fff'; c.fillRect(n++ * 7 % 320, 0, 20, 240); }, 50);
  return canvas.captureStream(20);
}
async function play(name, sound, pictures) {
  const pc = peers[name] = new RTCPeerConnection();
  for (let i = 0; i < sound; i++) pc.addTransceiver('audio', { direction: 'recvonly' });
  for (let i = 0; i < pictures; i++) pc.addTransceiver('video', { direction: 'recvonly' });
  pc.views = [];
  const begun = performance.now();
  pc.addEventListener('track', e => {
    if (e.track.kind !== 'video') return;
    const video = Object.assign(document.createElement('video'), { muted: true, autoplay: true, playsInline: true, srcObject: new MediaStream([e.track]) });
    document.body.append(video);
    const view = { video, frames: 0, sums: new Set(), firstMs: 0, receiver: e.receiver, stream: e.streams[0]?.id };
    pc.views.push(view);
    const canvas = new OffscreenCanvas(32, 32), c = canvas.getContext('2d', { willReadFrequently: true });
    const look = () => {
      view.firstMs ||= performance.now() - begun;
      view.frames++;
      c.drawImage(video, 0, 0, 32, 32);
      const px = c.getImageData(0, 0, 32, 32).data;
      let sum = 0; for (let i = 0; i < px.length; i++) sum = (sum * 31 + px[i]) | 0;
      view.sums.add(sum);
      view.corner = [px[0], px[1], px[2]];
      video.requestVideoFrameCallback(look);
    };
    video.requestVideoFrameCallback(look);
  });
  await exchange(pc, '/whep/1000?as=' + name);
  await connected(pc);
}
async function seen(name) {
  const out = [];
  for (const v of peers[name].views) {
    const stats = [...(await v.receiver.getStats()).values()];
    const rtp = stats.find(s => s.type === 'inbound-rtp') ?? {};
    out.push({ frames: v.frames, different: v.sums.size, firstMs: v.firstMs, width: v.video.videoWidth, height: v.video.videoHeight, stream: v.stream, corner: v.corner,
      decoded: rtp.framesDecoded ?? 0, keyframes: rtp.keyFramesDecoded, frozenS: rtp.totalFreezesDuration ?? 0, nacks: rtp.nackCount, plis: rtp.pliCount, lost: rtp.packetsLost,
      repaired: rtp.retransmittedPacketsReceived, codec: stats.find(s => s.id === rtp.codecId)?.mimeType });
  }
  return out;
}
</script>`;

/** Of one line of pictures. */
export interface Seen {
  frames: number;
  different: number;
  firstMs: number;
  width: number;
  height: number;
  stream: string;
  corner?: number[];
  decoded: number;
  keyframes: number;
  frozenS: number;
  nacks: number;
  plis: number;
  lost: number;
  repaired: number;
  codec: string;
}
