/* Runs in the page before its own code: mixes every remote track into one recording, 16 kHz mono. */
(() => {
  const chunks = [];
  let input;
  let context;
  const listen = track => {
    if (track.kind !== 'audio') return;
    if (context === undefined) {
      context = new AudioContext({ sampleRate: 16000 });
      input = context.createScriptProcessor(4096, 1, 1);
      input.onaudioprocess = e =>
        chunks.push(
          Int16Array.from(e.inputBuffer.getChannelData(0), s => Math.max(-1, Math.min(1, s)) * 32767),
        );
      input.connect(context.destination);
    }
    context.createMediaStreamSource(new MediaStream([track])).connect(input);
  };
  const Native = RTCPeerConnection;
  globalThis.RTCPeerConnection = class extends Native {
    constructor(config) {
      super(config);
      this.addEventListener('track', e => listen(e.track));
    }
  };
  globalThis.takeRecording = () => {
    const all = new Uint8Array(chunks.reduce((n, c) => n + c.byteLength, 0));
    let at = 0;
    for (const c of chunks) {
      all.set(new Uint8Array(c.buffer), at);
      at += c.byteLength;
    }
    let binary = '';
    for (let i = 0; i < all.length; i += 32768) binary += String.fromCharCode(...all.subarray(i, i + 32768));
    return btoa(binary);
  };
})();
