/** A SIP agent with a seat that records, and a phone of plain sockets: what the tests of `gateways/sip` play with. */
import dgram from 'node:dgram';
import { once } from 'node:events';
import { createSipAgent } from '../../gateways/sip/agent.ts';
import { type SipConfig, sipConfig } from '../../gateways/sip/config.ts';
import type { Agent, Leg, LegRequest, Role } from '../../src/contract.ts';
import { readRtcp } from '../../src/proto/rtp/rtcp.ts';
import { RtpView, writeRtpHeader } from '../../src/proto/rtp/rtp.ts';
import { parseSdp, type Sdp } from '../../src/proto/sdp/sdp.ts';
import { Events, FakeSeat, fakeHost } from './fakes.ts';
import { ManualClock } from './link.ts';

/** A phone: plain sockets that say and hear RTP and RTCP. */
export class PlainPhone {
  readonly rtp = dgram.createSocket('udp4');
  readonly rtcp = dgram.createSocket('udp4');
  readonly heard: {
    payloadType: number;
    seq: number;
    timestamp: number;
    marker: boolean;
    text: string;
    ssrc: number;
  }[] = [];
  readonly reports: ReturnType<typeof readRtcp>[] = [];
  #seq = 500;
  ssrc = 0x1234;
  port = 0;
  async open(): Promise<this> {
    this.rtp.on('message', b => {
      const v = new RtpView();
      if ((b[1] as number) >= 192 && (b[1] as number) < 224) return void this.reports.push(readRtcp(b));
      v.read(b);
      const { payloadType, seq, timestamp, marker, ssrc } = v;
      this.heard.push({
        payloadType,
        seq,
        timestamp,
        marker,
        ssrc,
        text: Buffer.from(v.payload()).toString(),
      });
    });
    this.rtcp.on('message', b => this.reports.push(readRtcp(b)));
    this.rtp.bind(0, '127.0.0.1');
    this.rtcp.bind(0, '127.0.0.1');
    await Promise.all([once(this.rtp, 'listening'), once(this.rtcp, 'listening')]);
    this.port = this.rtp.address().port;
    return this;
  }
  sdp(lines: readonly string[] = [], formats = '0 101', address = '127.0.0.1'): { sdp: string } {
    const sdp = ['v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', `c=IN IP4 ${address}`, 't=0 0'];
    sdp.push(`m=audio ${this.port} RTP/AVP ${formats}`, 'a=rtpmap:101 telephone-event/8000');
    sdp.push(`a=rtcp:${this.rtcp.address().port}`, ...lines, '');
    return { sdp: sdp.join('\r\n') };
  }
  say(
    to: number,
    payload: Buffer,
    o: { timestamp?: number; pt?: number; from?: dgram.Socket; marker?: boolean; seq?: number } = {},
  ): void {
    const b = Buffer.alloc(12 + payload.length);
    this.#seq = o.seq ?? this.#seq + 1;
    writeRtpHeader(b, o.pt ?? 0, o.marker ?? false, this.#seq, o.timestamp ?? this.#seq * 160, this.ssrc);
    b.set(payload, 12);
    (o.from ?? this.rtp).send(b, to, '127.0.0.1');
  }
  close(): void {
    this.rtp.close();
    this.rtcp.close();
  }
}

const ends: (() => void | Promise<void>)[] = [];
/** Called when the test is over, last come first. */
export const onEnd = (end: () => void | Promise<void>): void => void ends.push(end);
/** For `afterEach`. */
export async function endAll(): Promise<void> {
  for (const end of ends.splice(0).reverse()) await end();
}

const config = sipConfig.parse({
  rtpPorts: { min: 0, max: 0 },
  codecs: ['opus', 'G722', 'PCMU', 'PCMA'],
  maxLegs: 10,
});
export const request = (
  begin: LegRequest['begin'],
  roles: readonly Role[] = ['send', 'receive'],
): LegRequest => ({
  v: 1,
  leg: 'leg-1',
  trace: 'call-1',
  gateway: 'sip',
  direction: begin.type === 'offer' ? 'in' : 'out',
  who: { user: 'anna', proof: 'claimed', address: '127.0.0.1' },
  room: '1000',
  roles,
  begin,
});

export interface Call {
  clock: ManualClock;
  host: ReturnType<typeof fakeHost>;
  agent: Agent;
  phone: PlainPhone;
  seat: FakeSeat;
  events: Events;
  leg: Leg;
  local: Sdp;
}

export const descriptionOf = (events: Events, id: number): Sdp => {
  const e = events.all.find(e => e.type === 'description' && e.id === id);
  const sdp = parseSdp((e as { native?: { sdp: string } } | undefined)?.native?.sdp ?? 'none');
  if (typeof sdp === 'string') throw new Error(sdp);
  return sdp;
};

export async function setUp(o: Partial<SipConfig> = {}) {
  const clock = new ManualClock();
  const host = fakeHost({ clock });
  const agent = createSipAgent(host, { ...config, ...o }, 'sip-1');
  await agent.start();
  const phone = await new PlainPhone().open();
  ends.push(
    () => agent.close(),
    () => phone.close(),
  );
  return { clock, host, agent, phone, seat: new FakeSeat(), events: new Events() };
}

/** A call that was answered. */
export async function call(
  lines: readonly string[] = [],
  formats?: string,
  roles?: readonly Role[],
): Promise<Call> {
  const s = await setUp();
  const native = s.phone.sdp(lines, formats);
  const leg = await s.agent.take(request({ type: 'offer', native }, roles), s.seat, s.events.emit);
  return { ...s, leg, local: descriptionOf(s.events, 0) };
}

export const port = (sdp: Sdp): number => sdp.sections[0]!.port;
export const until = async (true_: () => boolean): Promise<void> => {
  for (let i = 0; i < 400 && !true_(); i++) await new Promise(done => setTimeout(done, 5));
  if (!true_()) throw new Error('it never came');
};
export const answered = (events: Events, id: number) =>
  until(() => events.all.some(e => (e.type === 'description' || e.type === 'refused') && e.id === id));
