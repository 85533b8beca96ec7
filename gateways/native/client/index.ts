/**
 * Members over aRTP, for programs: `import { connect } from 'roombridge/native'`. README.md of `gateways/native` draws a call.
 */
import type { Clock } from '../../../src/contract.ts';
import { systemClock } from '../../../src/io/clock.ts';
import { SUITES, type Suite } from '../../../src/proto/artp/keys.ts';
import type { Pipe } from '../pipe.ts';
import type { Joined } from './agent-line.ts';
import { byDtls } from './dtls.ts';
import { greet, openPipe, resolve } from './greet.ts';
import { type MemberEvent, NativeMember, type Return } from './member.ts';
import { openTls, openWebSocket } from './pipes.ts';
import { resume } from './resume.ts';
import { authority, readTarget, type Target } from './target.ts';
import type { Trust } from './trust.ts';

export type { MemberEvent, NativeMember } from './member.ts';
export type { Sound } from './playout.ts';
export type { PublishedTrack, WantedTrack } from './tracks.ts';
export type { Trust } from './trust.ts';

export interface ConnectOptions extends Trust {
  /** `artp://host[:7101]/<room>[?udp=7100]`. */
  readonly url: string;
  readonly user: string;
  /** How others see the name. */
  readonly display?: string;
  /** A room token, a PIN, or a resume secret. */
  readonly token?: string;
  /** What it means to do; a token may permit only one of them. Default: both. */
  readonly roles?: readonly ('send' | 'receive')[];
  /** Media encryption to offer, the preferred first. Default: AES-128-GCM, then SM4-GCM. */
  readonly suites?: readonly Suite[];
  /** Where only HTTPS passes: `wss://host:8443/artp` unless told otherwise; false: never. */
  readonly webSocket?: string | false;
  /** Further `artp:` addresses of the system, where a ticket brings the member back when its agent has died. */
  readonly alternates?: readonly string[];
  readonly on?: (e: MemberEvent) => void;
  /** What is being done, for a progress line. */
  readonly say?: (text: string) => void;
  /** Gives up joining. Afterwards `leave` ends it. */
  readonly signal?: AbortSignal;
  readonly clock?: Clock;
}

/** How a member came in. */
export interface Connected {
  readonly member: NativeMember;
  /** `tls`, `websocket`, `dtls`. */
  readonly way: string;
  readonly suite: Suite;
  /** Where media goes: address and UDP port. */
  readonly mediaTo: string;
  /** Why the certificate proves nothing, and was taken all the same. */
  readonly taken: string | undefined;
}

const WEB_PORT = 8443;

/** Joins a room. Rejects with a Refusal: the server's own, or why there is no way to it. */
export const connect = async (o: ConnectOptions): Promise<NativeMember> => (await join(o)).member;

/** As `connect`, and tells how it came in. */
export async function join(o: ConnectOptions): Promise<Connected> {
  const { clock = systemClock, signal = new AbortController().signal, on = () => {}, say = () => {} } = o;
  const target = readTarget(o.url);
  const webSocket =
    o.webSocket === false ? undefined : (o.webSocket ?? `wss://${authority(target.host, WEB_PORT)}/artp`);
  const address = await resolve(target.host);
  let member: NativeMember | undefined;
  const packet = (bytes: Buffer, pipe: Pipe): void => member?.packet(bytes, pipe);
  const closed = (pipe: Pipe): void => member?.pipeClosed(pipe);
  const shared = { ...o, clock, packet, closed, say, webSocket, suites: o.suites ?? SUITES };
  // Nothing else proves a certificate there: no names, no authorities.
  const pinned = o.fingerprint !== undefined || o.insecure === true;
  const ways = pinned ? [(h: object, s: AbortSignal) => byDtls({ ...shared, target }, h, s)] : [];
  const greeted = await greet({ ...shared, target, signal }, ways);
  const { pipe, ack, connection, way, taken } = greeted;
  const forever = new AbortController();
  const trust = { ...o, clock, signal: forever.signal };
  const here: Target = target.udpTold ? target : { ...target, udpPort: ack.udpPort };
  const openStream = async (to: Target, on = packet): Promise<Pipe> => {
    const opened = await openPipe({ clock, closed, packet: on }, handlers =>
      way === 'websocket' && webSocket !== undefined && to === here
        ? openWebSocket({ ...trust, url: webSocket }, handlers)
        : openTls({ ...trust, ...to, port: to.tlsPort }, handlers),
    );
    return opened.pipe;
  };
  const given = (o.alternates ?? []).map(readTarget);
  const comeBack = async ({ ticket, joined, alternates }: Return, elsewhere: boolean): Promise<Joined> => {
    say(elsewhere ? 'the server asks us to move' : 'nothing is heard: asking who takes the member back');
    const told = alternates.map(a => ({ ...a, name: target.host, udpTold: true, room: target.room }));
    const back = await resume({
      clock,
      ticket,
      secret: joined.secret,
      targets: distinct(elsewhere ? [...told, ...given] : [joined.target, ...told, ...given, here]),
      openStream: (t, answered) =>
        openStream(t, (bytes, p) => {
          answered(bytes);
          packet(bytes, p);
        }),
    });
    return { ...joined, ...back, reset: undefined };
  };
  const joined: Joined = {
    ...ack,
    connection,
    theirs: ack.connection,
    pipe,
    target: here,
    address: pipe?.address || address,
  };
  member = new NativeMember(ack, joined, { clock, on, reopen: openStream, resume: comeBack });
  void member.ended.then(() => forever.abort());
  await member.begin();
  return { member, way, suite: ack.suite, mediaTo: authority(joined.address, here.udpPort), taken };
}

const distinct = (targets: readonly Target[]): Target[] => [
  ...new Map(targets.map(t => [`${authority(t.host, t.tlsPort)} ${t.udpPort}`, t])).values(),
];
