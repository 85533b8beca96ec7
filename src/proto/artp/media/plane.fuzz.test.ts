import fc from 'fast-check';
import { expect, it } from 'vitest';
import { readRtcp } from '../../rtp/rtcp.ts';
import { packetCipher } from '../../rtp/srtp/cipher.ts';
import { directionKeys } from '../keys.ts';
import { HOLD } from './hold.ts';
import { ignore, PlanePair, picture, sound } from './plane.testing.ts';
import { PLAIN_AUDIO, PLAIN_VIDEO } from './policy-types.ts';

const numRuns = Number(process.env.FUZZ_RUNS ?? 500);
const cipher = packetCipher(directionKeys(Buffer.alloc(32, 7), 'from-client', 0), 'rtp');

/** A sound and a picture under way, with all there is against loss. */
function busy() {
  const pair = new PlanePair();
  let handed = 0;
  const voice = pair.a.send(1, 'audio', 48000, ignore);
  const camera = pair.a.send(2, 'video', 90000, ignore);
  pair.a.setPolicy({ ...PLAIN_AUDIO, pattern: 8, nack: true });
  pair.a.setPolicy({ ...PLAIN_VIDEO, repair: [1, 1, 1] });
  pair.b.hear(1, () => void handed++);
  pair.b.hear(2, () => void handed++);
  voice.sink(sound(0), 0);
  for (const p of picture(0, 0, 3)) camera.sink(p, 0);
  pair.run(10);
  return { pair, handed: () => handed };
}
const counted = (pair: PlanePair): number => [...pair.drops.b.all().values()].reduce((a, b) => a + b, 0);

it('any datagram is junk, counted once, never a throw', () => {
  const { pair, handed } = busy();
  const before = handed();
  let fed = 0;
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 2200 }),
      fc.constantFrom(0x80, 0x90, 0xb0, 0),
      fc.constantFrom(0, 1, 2, 0x400001, 0x800001, 0x800002, 0xc00001, 0x01000001, 0x05000001),
      (b, first, ssrc) => {
        if (b.length > 0) b[0] = first;
        if (b.length >= 12) Buffer.from(b.buffer).writeUInt32BE(ssrc, 8);
        expect(pair.b.receive(b, pair.now)).toBe('junk');
        expect(counted(pair)).toBe(++fed);
      },
    ),
    { numRuns },
  );
  expect(handed()).toBe(before);
});

it('any RTCP is passed over or done, never a throw', () => {
  const { pair } = busy();
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 400 }),
      fc.constantFrom(201, 204, 205, 206),
      fc.nat(31),
      (b, type, format) => {
        const packet = Buffer.alloc(12 + (b.length & ~3));
        packet.set(b.subarray(0, b.length & ~3), 12);
        packet[0] = 0x80 | format;
        packet[1] = type;
        packet.writeUInt16BE(packet.length / 4 - 1, 2);
        packet.writeUInt32BE(1 + (b.length & 1), 8);
        const parts = readRtcp(packet);
        if (typeof parts !== 'string') pair.a.rtcp(parts, pair.now);
        pair.run(pair.now + 1);
      },
    ),
    { numRuns },
  );
});

it('whoever holds the keys can say what he likes: no throw, and nothing longer than he sent', () => {
  const { pair } = busy();
  const numbers = [0, 0, 0];
  const elements = fc.uint8Array({ minLength: 0, maxLength: 16 });
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 300 }),
      fc.constantFrom(0, 1, 2),
      fc.constantFrom(1, 2),
      fc.constantFrom(96, 97, 98, 99, 100, 5),
      elements,
      fc.boolean(),
      (body, kind, flow, type, extension, known) => {
        const b = Buffer.alloc(500);
        const seq = (numbers[kind]! += 1) + 0x4100;
        const ssrc = ((kind << 22) | flow) >>> 0;
        b[1] = type;
        b.writeUInt16BE(seq, 2);
        b.writeUInt32BE(0x80000000, 4);
        b.writeUInt32BE(ssrc, 8);
        b[0] = 0x90;
        const words = (extension.length + 3) >> 2;
        b.writeUInt32BE((0xbede0000 | words) >>> 0, 12);
        b.set(extension, 16);
        // Often enough about packets there are.
        if (known && body.length > 4) body.set([0x40, body[1]! & 3, body[2]! & 127], 0);
        const length = cipher.seal(b, 16 + words * 4, body, ssrc, 0, seq);
        expect(pair.b.receive(b.subarray(0, length), pair.now)).toBe('opened');
        pair.run(pair.now + 1);
      },
    ),
    { numRuns: numRuns * 4 },
  );
});

it('nor can he make more wait than there is room for', () => {
  const { pair } = busy();
  const b = Buffer.alloc(500);
  for (let i = 0; i < 5000; i++) {
    const ssrc = 100 + i;
    b[0] = 0x80;
    b.writeUInt16BE(i, 2);
    b.writeUInt32BE(ssrc, 8);
    pair.b.receive(b.subarray(0, cipher.seal(b, 12, Buffer.alloc(20), ssrc, 0, i)), pair.now);
  }
  expect(pair.drops.b.all()).toEqual(new Map([['hold-full', 5000 - HOLD.packets]]));
  pair.run(pair.now + HOLD.ms + 10);
  expect(pair.drops.b.get('hold-expired')).toBe(HOLD.packets);
  expect(pair.b.deadline).toBe(Number.POSITIVE_INFINITY);
});
