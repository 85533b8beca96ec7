/** The media side of SIP: port pairs, legs, and a limit on both. */
import { randomBytes } from 'node:crypto';
import { loadCodecs } from '../../codecs/audio.ts';
import type { Agent, Host, LegEvent, LegRequest, Seat, Termination } from '../../src/contract.ts';
import { DrillPorts } from '../../src/io/drill-ports.ts';
import { UdpPorts } from '../../src/io/udp.ts';
import { refuse, terminationOf } from '../../src/kit/refusal.ts';
import { makeIdentity } from '../../src/proto/dtls/identity.ts';
import type { SipConfig } from './config.ts';
import { SipLeg } from './leg.ts';
import { readMoved, readSrtp } from './native.ts';

const CLOSING: Termination = {
  blame: 'server',
  reason: 'shutting-down',
  text: 'The media agent is going down.',
};

export function createSipAgent(host: Host, config: SipConfig, id: string): Agent {
  const bound = /^(0\.0\.0\.0|::)$/.test(config.address ?? '::') ? undefined : config.address;
  const ports = new UdpPorts({
    ...config.rtpPorts,
    clock: host.clock,
    ...(bound !== undefined && { address: bound }),
  });
  const identity = makeIdentity(randomBytes(8), Date.now());
  const legs = new Set<SipLeg>();
  const capacity = Math.min(config.maxLegs, ports.size);
  let begun = 0;
  let closed = false;

  async function take(request: LegRequest, seat: Seat, emit: (e: LegEvent) => void): Promise<SipLeg> {
    if (closed) throw refuse('server', 'shutting-down', `Agent ${id} is going down.`);
    if (begun >= capacity)
      throw refuse(
        'server',
        'agent-full',
        `Agent ${id} carries ${begun} calls, its limit (sip.maxLegs, sip.rtpPorts).`,
      );
    begun++;
    let leg: SipLeg | undefined;
    let told = false;
    const tell = (e: LegEvent): void => {
      if (told || e.type !== 'closed') emit(e); // a leg that never began ends with the refusal alone
    };
    const release = (): void => {
      begun--;
      if (leg !== undefined) legs.delete(leg);
    };
    try {
      const address = host.advertisedAddress(request.who.address);
      const now = host.clock.now();
      const lines = new DrillPorts(ports, host.clock);
      leg = await SipLeg.open({
        host,
        request,
        seat,
        emit: tell,
        codecs: config.codecs,
        videoCodecs: config.video ? config.videoCodecs : [],
        videoBps: config.videoBps,
        keying: {
          policy: readSrtp(request.begin.native) ?? config.srtp,
          random: randomBytes,
          fingerprint: identity.fingerprint,
        },
        address,
        // Digits only, and below 2^53, as some phones read it as a number.
        sessionId: String(randomBytes(6).readUIntBE(0, 6)),
        line: {
          clock: host.clock,
          ports: lines,
          family: (bound ?? address).includes(':') ? 6 : 4,
          signalling: request.who.address,
          random: randomBytes,
          identity,
          cname: randomBytes(9).toString('base64url'), // RFC 7022 §4.2: short-term, random
          unixAtZero: Date.now() - now,
          successor: readMoved(request.begin.native) !== undefined,
          count: reason => host.count('rtp_dropped', reason),
        },
        drill: d => lines.drill(d),
        note: summary => host.ladder(request.leg, { at: Date.now(), dir: 'note', transport: 'rtp', summary }),
        gone: release,
      });
      legs.add(leg);
      await leg.begin();
      told = true;
      return leg;
    } catch (error) {
      if (leg === undefined) release();
      else leg.close(terminationOf(error));
      throw error;
    }
  }

  return {
    formats: [...config.codecs, ...(config.video ? config.videoCodecs : [])],
    capacity,
    async start() {
      await loadCodecs();
      return [];
    },
    take,
    async close() {
      closed = true;
      for (const leg of [...legs]) leg.close(CLOSING);
    },
  };
}
