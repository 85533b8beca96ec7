import { describe, expect, test } from 'vitest';
import type { LegMedia } from './leg-media.ts';
import { asks, openPictures, rtp, vp8 } from './pictures.testing.ts';
import { Publishing, partEvents } from './publishing.ts';

describe('with sound on one transport', () => {
  test('goes by payload type; feedback covers all that came', () => {
    const heard: Uint8Array[] = [];
    const sound: LegMedia = {
      answer: () => undefined,
      start: () => {},
      rtp: bytes => void heard.push(bytes),
      rtcp: () => {},
      deadline: Number.POSITIVE_INFINITY,
      tick: () => [],
      bye: () => [],
      mute: () => {},
      stats: () => [],
      close: () => {},
    };
    const { publisher: pictures, seat, told, events } = openPictures();
    const publishing = new Publishing({
      sound,
      pictures,
      picturePayloads: new Set([96, 97]),
      transportCcId: 3,
      ssrc: 9,
      events,
    });
    publishing.rtp(rtp(1, 1, vp8(640), { number: 100 }), 10);
    publishing.rtp(rtp(5, 1, Buffer.from('opus'), { pt: 111, number: 101 }), 12);
    publishing.rtp(rtp(1, 2, vp8(undefined), { number: 103 }), 14);
    expect([heard.length, seat.publications[0]!.heard.length]).toEqual([1, 2]);
    const feedback = asks(publishing, 100, 120).filter(p => p.type === 'twcc');
    expect(feedback).toMatchObject([
      { sender: 9, media: 1, base: 100, reference: 0, arrivals: [40, 8, undefined, 8] },
    ]);
    publishing.rtp(Buffer.from([1, 2, 3]), 20);
    expect(told).toContain('count short');
  });

  test('the leg is silent when both are', () => {
    const { told, events } = openPictures();
    const [a, b] = partEvents(events, 2);
    a!.state('up');
    b!.state('up');
    a!.state('silent');
    expect(told).toEqual(['up']);
    b!.state('silent');
    a!.state('up');
    expect(told).toEqual(['up', 'silent', 'up']);
  });
});
