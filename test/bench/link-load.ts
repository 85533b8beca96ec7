/** What both senders of the `link` bench send, and when: 1000 tracks, 50 packets a second each, evenly spread. */
export const TRACKS = 1000;
export const PER_SECOND = 50;
/** 20 ms of G.711. */
export const PAYLOAD_BYTES = 160;
export const SAMPLES = 160;

/** Does what the parent asks: `{ run: seconds }`, answered by `{ ran: packets }`. `send`: the n-th packet of all. */
export function sendWhenAsked(send: (n: number, now: number) => void): void {
  let sent = 0;
  process.on('message', (m: { run?: number }) => {
    if (m.run === undefined) return;
    const from = performance.now();
    const first = sent;
    const end = m.run * TRACKS * PER_SECOND;
    const beat = setInterval(() => {
      const now = performance.now();
      const due = first + Math.min(end, Math.floor(((now - from) * TRACKS * PER_SECOND) / 1000));
      while (sent < due) send(sent++, now);
      if (sent < first + end) return;
      clearInterval(beat);
      process.send?.({ ran: end });
    }, 1);
  });
}
