import { randomBytes } from 'node:crypto';
import { checkKey } from '../bus/kv.ts';
import type { Bus } from '../bus/port.ts';

const SECRET_BYTES = 32;

/**
 * `Host.secret`: whoever asks first makes it, and everybody on the bus has the same from then on. Who has one puts it back
 * when the store was lost, so that what was sealed with it can still be read.
 */
export function sharedSecrets(bus: Pick<Bus, 'kv' | 'onState'>): (name: string) => Promise<Buffer> {
  const { kv } = bus;
  const known = new Map<string, Buffer>();
  bus.onState(state => {
    if (state !== 'up') return;
    for (const [key, secret] of known)
      agreed(kv, key, secret).then(
        now => known.set(key, now),
        () => {}, // it went away again: at the next time
      );
  });
  return async name => {
    const key = `secret.${name}`;
    checkKey(key);
    const own = known.get(key);
    if (own !== undefined) return own;
    const secret = await agreed(kv, key);
    known.set(key, secret);
    return secret;
  };
}

async function agreed(kv: Bus['kv'], key: string, made: Buffer = randomBytes(SECRET_BYTES)): Promise<Buffer> {
  const there = (await kv.get(key))?.value;
  if (typeof there === 'string') return Buffer.from(there, 'base64');
  if ((await kv.create(key, made.toString('base64'))) !== undefined) return made;
  return agreed(kv, key, made); // somebody was first
}
