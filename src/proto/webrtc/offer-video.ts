import type { parse } from 'sdp-transform';

export type MediaLine = ReturnType<typeof parse>['media'][number];

/** Streams of one simulcast that are taken; browsers send three at most. */
const MAX_LAYERS = 4;

/** RFC 5761 §4: 64–95 would look like RTCP on the same port. */
export const mayBeRtp = (payloadType: number): boolean =>
  payloadType >= 0 && payloadType <= 127 && (payloadType < 64 || payloadType > 95);

/** Payload type → that of its retransmissions: `a=rtpmap:97 rtx/90000`, `a=fmtp:97 apt=96` (RFC 4588 §8.6). */
export function readRetransmissions(m: MediaLine): Map<number, number> {
  const found = new Map<number, number>();
  const listed = String(m.payloads ?? '').split(' ');
  for (const { payload, codec } of m.rtp) {
    if (String(codec).toLowerCase() !== 'rtx' || !mayBeRtp(payload) || !listed.includes(`${payload}`))
      continue;
    const apt = /(?:^|;)\s*apt=(\d{1,3})(?:;|$)/.exec(
      String(m.fmtp.find(f => f.payload === payload)?.config ?? ''),
    );
    if (apt && !found.has(Number(apt[1]))) found.set(Number(apt[1]), payload);
  }
  return found;
}

/**
 * `a=simulcast:send h;m,m2;~l` with `a=rid:h send` …: h, m, l. Of alternatives the first is taken, a paused stream
 * like any other (RFC 8853 §5.1). Empty: no simulcast.
 */
export function readLayers(m: MediaLine): string[] {
  const { simulcast } = m;
  if (simulcast === undefined) return [];
  const list =
    simulcast.dir1 === 'send' ? simulcast.list1 : simulcast.dir2 === 'send' ? simulcast.list2 : undefined;
  const sendable = new Set((m.rids ?? []).filter(r => r.direction === 'send').map(r => String(r.id)));
  const layers = new Set(
    String(list ?? '')
      .split(';')
      .map(alternatives => alternatives.split(',', 1)[0]!.trim().replace(/^~/, ''))
      .filter(rid => /^[\w-]{1,32}$/.test(rid) && sendable.has(rid)),
  );
  return layers.size > 1 ? [...layers].slice(0, MAX_LAYERS) : [];
}
