import { randomBytes } from 'node:crypto';
import { isIPv6 } from 'node:net';
import type { Clock } from '../../../src/contract.ts';
import { drive } from '../../../src/io/drive.ts';
import { openUdp, type UdpSocket } from '../../../src/io/udp.ts';
import { refuse } from '../../../src/kit/refusal.ts';
import type { Route } from '../../../src/proto/artp/session/types.ts';
import { DtlsClient } from '../../../src/proto/dtls/client.ts';
import type { DtlsInput, DtlsOutput } from '../../../src/proto/dtls/end.ts';
import { makeIdentity } from '../../../src/proto/dtls/identity.ts';
import { isDtls } from '../../../src/proto/dtls/record.ts';
import { bootstrapSession, HELLO_PROFILES, HELLO_TIMING } from '../bootstrap.ts';
import { readHelloAck } from '../hello.ts';
import { Running } from '../running.ts';
import { type Greeted, resolve } from './greet.ts';
import type { Target } from './target.ts';
import type { Trust } from './trust.ts';

const HELLO_MS = 15_000;

/** HELLO over DTLS on the UDP port: for networks where TCP does not come through, or hardly. Rejects with a Refusal. */
export async function byDtls(
  o: Trust & { readonly target: Target; readonly clock: Clock; readonly say: (text: string) => void },
  hello: object,
  signal: AbortSignal,
): Promise<Omit<Greeted, 'connection'>> {
  const { target, clock, fingerprint } = o;
  const address = await resolve(target.host);
  o.say(`HELLO to ${address} port ${target.udpPort} (DTLS)`);
  const route: Route = { kind: 'udp', address, port: target.udpPort };
  const closers: (() => void)[] = [];
  try {
    return await new Promise<Omit<Greeted, 'connection'>>((done, fail) => {
      const abort = (): void => fail(refuse('none', 'cancelled', 'It is not wanted any more.'));
      signal.addEventListener('abort', abort);
      closers.push(
        () => signal.removeEventListener('abort', abort),
        clock.at(clock.now() + HELLO_MS, () =>
          fail(refuse('upstream', 'no-answer', `${address} port ${target.udpPort} did not answer over UDP.`)),
        ),
      );
      let running: Running | undefined;
      let socket: UdpSocket | undefined;
      const transmit = (bytes: Uint8Array, length: number): void =>
        socket?.send(Buffer.from(bytes.subarray(0, length)), length, route.port, address);
      const client = new DtlsClient({
        identity: makeIdentity(randomBytes(16), Date.now()),
        fingerprints: fingerprint === undefined ? 'anyone' : [{ algorithm: 'sha-256', value: fingerprint }],
        profiles: HELLO_PROFILES,
        random: randomBytes,
        timing: HELLO_TIMING,
        junk: () => {},
      });
      const act = (out: DtlsOutput): void => {
        if (out.type === 'send') return transmit(out.bytes, out.bytes.length);
        if (out.type === 'closed')
          return fail(refuse('upstream', 'bad-certificate', `DTLS with ${address} failed: ${out.text}`));
        const session = bootstrapSession({ side: 'client', keys: out, now: clock.now(), transmit });
        session.addRoute(route, clock.now());
        running = new Running(session, clock, e => {
          if (e.type !== 'message') return;
          try {
            done({ ack: readHelloAck(e.message), pipe: undefined, way: 'dtls', taken: takenFor(o) });
          } catch (error) {
            fail(error);
          }
        });
        running.say(hello);
      };
      const dtls = drive<DtlsInput, DtlsOutput>(client, clock, act);
      closers.push(() => {
        dtls.stop();
        running?.stop();
        socket?.close();
      });
      const receive = (bytes: Buffer): void => {
        if (isDtls(bytes)) return dtls.feed({ type: 'datagram', bytes });
        running?.session.receive(bytes, route, clock.now());
        running?.turn();
      };
      openUdp({ family: isIPv6(address) ? 6 : 4, port: 0, clock, on: receive }).then(opened => {
        socket = opened;
        if (signal.aborted) return abort();
        dtls.feed({ type: 'start' });
      }, fail);
    });
  } finally {
    for (const close of closers) close();
  }
}

const takenFor = ({ fingerprint }: Trust): string | undefined =>
  fingerprint === undefined ? 'not looked at' : undefined;
