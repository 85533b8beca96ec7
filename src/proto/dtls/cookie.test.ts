import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { DtlsClient } from './client.ts';
import { CookieDoor } from './cookie.ts';
import type { DtlsOptions, DtlsOutput } from './end.ts';
import { makeIdentity } from './identity.ts';
import { DtlsServer } from './server.ts';

const FROM = '192.0.2.1 5000';
const TIMING = { firstMs: 150, maxMs: 150, sendings: 64 };
const options = (o: Partial<DtlsOptions> = {}): DtlsOptions => ({
  identity: makeIdentity(randomBytes(8), 0),
  fingerprints: 'anyone',
  profiles: ['AEAD_AES_128_GCM'],
  random: randomBytes,
  timing: TIMING,
  junk: () => {},
  ...o,
});
const sent = (end: { poll(): DtlsOutput | undefined }): Buffer[] => {
  const out: Buffer[] = [];
  for (let o = end.poll(); o !== undefined; o = end.poll()) if (o.type === 'send') out.push(o.bytes);
  return out;
};
const hello = (): { client: DtlsClient; bytes: Buffer } => {
  const client = new DtlsClient(options());
  client.handle({ type: 'start' }, 0);
  return { client, bytes: sent(client)[0]! };
};

describe('the door before a DTLS server', () => {
  const door = new CookieDoor(randomBytes(32));

  it('asks for a cookie with fewer bytes than came, and takes the hello that repeats it', () => {
    const { client, bytes } = hello();
    const asked = door.look(bytes, FROM, 0);
    if (asked.type !== 'ask') throw new Error(asked.type);
    expect(asked.bytes.length).toBeLessThan(bytes.length / 2);
    client.handle({ type: 'datagram', bytes: asked.bytes }, 10);
    const again = sent(client)[0]!;
    expect(door.look(again, FROM, 20).type).toBe('proven');
    expect(door.look(again, '192.0.2.9 5000', 20).type).toBe('ask');
    expect(door.look(again, FROM, 90_000).type).toBe('ask');
    expect(new CookieDoor(randomBytes(32)).look(again, FROM, 20).type).toBe('ask');
  });

  it('keeps junk out', () => {
    const { bytes } = hello();
    for (let cut = 0; cut < bytes.length; cut++)
      expect(door.look(bytes.subarray(0, cut), FROM, 0).type).toBe('junk');
    for (const at of [0, 13, 25]) {
      const wrong = Buffer.from(bytes);
      wrong[at] = 99;
      expect(['junk', 'ask']).toContain(door.look(wrong, FROM, 0).type);
    }
  });

  it('a handshake behind it comes through half of all datagrams lost, both ways', () => {
    let seed = 7;
    const lost = (): boolean => (seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31) / 2 ** 31 < 0.5;
    for (let run = 0; run < 20; run++) {
      const client = new DtlsClient(options());
      let server: DtlsServer | undefined;
      client.handle({ type: 'start' }, 0);
      const keys: unknown[] = [];
      for (let now = 0; now < 15_000 && keys.length < 2; now += 10) {
        const take = (end: DtlsClient | DtlsServer): Buffer[] => {
          const out: Buffer[] = [];
          for (let o = end.poll(); o !== undefined; o = end.poll())
            if (o.type === 'send') out.push(o.bytes);
            else if (o.type === 'connected') keys.push({ client: o.client, server: o.server });
          return out;
        };
        for (const bytes of take(client)) {
          if (lost()) continue;
          if (server === undefined) {
            const knock = door.look(bytes, FROM, now);
            if (knock.type === 'ask' && !lost()) client.handle({ type: 'datagram', bytes: knock.bytes }, now);
            if (knock.type !== 'proven') continue;
            server = new DtlsServer(options({ afterCookie: true }));
          }
          server.handle({ type: 'datagram', bytes }, now);
        }
        if (server !== undefined)
          for (const bytes of take(server)) if (!lost()) client.handle({ type: 'datagram', bytes }, now);
        client.handle({ type: 'tick' }, now);
        server?.handle({ type: 'tick' }, now);
      }
      expect(keys).toHaveLength(2);
      expect(keys[0]).toEqual(keys[1]);
    }
  });
});
