import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { ClientHandshake, HANDSHAKE_BYTES, ServerHandshake } from './handshake.ts';

const AFTER = Buffer.from('chunks follow');

/** Runs both sides against each other, everything in pieces of `piece` bytes. */
function shake(schema: 0 | 1 | undefined, piece: number) {
  const server = new ServerHandshake(randomBytes);
  const client = new ClientHandshake(randomBytes, schema);
  const feed = (side: ServerHandshake | ClientHandshake, bytes: Buffer) => {
    const sent: Buffer[] = [];
    let rest: Uint8Array | undefined;
    for (let at = 0; at < bytes.length; at += piece) {
      if (rest !== undefined) {
        rest = Buffer.concat([rest, bytes.subarray(at)]);
        break;
      }
      const step = side.read(bytes.subarray(at, at + piece), 1000);
      expect(step.fault).toBeUndefined();
      if (step.send) sent.push(step.send);
      rest = step.rest;
    }
    return { sent: Buffer.concat(sent), rest };
  };
  const s = feed(server, client.begin(500));
  const c = feed(client, s.sent);
  const end = feed(server, Buffer.concat([c.sent, AFTER]));
  return { s0s1s2: s.sent, clientDone: c.rest !== undefined, rest: Buffer.from(end.rest ?? []).toString() };
}

describe('RTMP handshake', () => {
  it.each([undefined, 0, 1] as const)('both sides agree, schema %s, whole and byte by byte', schema => {
    for (const piece of [10_000, 1, 1537]) {
      const { s0s1s2, clientDone, rest } = shake(schema, piece);
      expect(s0s1s2).toHaveLength(1 + 2 * HANDSHAKE_BYTES);
      expect(s0s1s2[0]).toBe(3);
      expect(clientDone).toBe(true);
      expect(rest).toBe(piece === 1537 ? AFTER.toString() : AFTER.toString());
    }
  });

  it('echoes C1 to a simple client', () => {
    const c0c1 = new ClientHandshake(randomBytes).begin(77);
    const { send } = new ServerHandshake(randomBytes).read(c0c1, 1234);
    const s2 = send?.subarray(1 + HANDSHAKE_BYTES) as Buffer;
    expect(s2.readUInt32BE(0)).toBe(77);
    expect(s2.readUInt32BE(4)).toBe(1234);
    expect(s2.subarray(8).equals(c0c1.subarray(9))).toBe(true);
  });

  it('refuses other versions by the first byte', () => {
    expect(new ServerHandshake(randomBytes).read(Buffer.from('GET / HTTP/1.1'), 0).fault).toEqual({
      blame: 'client',
      reason: 'rtmp-version',
      text: 'The first byte asks for RTMP version 71; only version 3 is served here.',
    });
    expect(new ServerHandshake(randomBytes).read(Buffer.of(6), 0).fault?.reason).toBe('rtmp-version');
  });

  it('a client refuses a server whose second signature is wrong', () => {
    const client = new ClientHandshake(randomBytes, 1);
    const { send } = new ServerHandshake(randomBytes).read(client.begin(0), 0);
    const forged = Buffer.from(send as Buffer);
    forged[forged.length - 1] = (forged.at(-1) as number) ^ 1;
    expect(client.read(forged, 0).fault?.reason).toBe('rtmp-digest');
  });
});
