import { randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import type { Address, Agent, Host, Leg, LegEvent, LegRequest, Seat } from '../../src/contract.ts';
import { openUdp, SendSlots, type UdpSocket } from '../../src/io/udp.ts';
import { refuse } from '../../src/kit/refusal.ts';
import { makeIdentity, type OwnIdentity } from '../../src/proto/dtls/identity.ts';
import { localUfrag } from '../../src/proto/webrtc/ice-lite.ts';
import { readOffer } from '../../src/proto/webrtc/offer.ts';
import { kindOf, SharedPort } from '../../src/proto/webrtc/port.ts';
import { readStun } from '../../src/proto/webrtc/stun.ts';
import { candidateAddresses } from './candidates.ts';
import type { WebRtcConfig } from './config.ts';
import { SLOT_BYTES, WebRtcLeg } from './leg.ts';
import { openMedia } from './media.ts';
import { readBegin } from './native.ts';
import { PacketLogs } from './packet-logs.ts';

/** All WebRTC media of one process on one UDP port. */
export function createWebRtcAgent(host: Host, config: WebRtcConfig): Agent {
  return new WebRtcAgent(host, config);
}

class WebRtcAgent implements Agent {
  readonly formats: readonly string[];
  readonly capacity: number;
  readonly #host: Host;
  readonly #config: WebRtcConfig;
  readonly #port = new SharedPort<WebRtcLeg>();
  readonly #legs = new Set<WebRtcLeg>();
  readonly #logs = new PacketLogs();
  readonly #slots = new SendSlots(SLOT_BYTES);
  readonly #identity: OwnIdentity;
  #socket: UdpSocket | undefined;

  constructor(host: Host, config: WebRtcConfig) {
    this.#host = host;
    this.#config = config;
    this.capacity = config.maxLegs;
    this.formats = ['opus', 'PCMU', 'PCMA', 'G722', ...config.videoCodecs];
    this.#identity = makeIdentity(randomBytes(8), Date.now());
  }

  async start(): Promise<readonly Address[]> {
    const { address, port } = this.#config;
    try {
      this.#socket = await openUdp({
        family: isIP(address) === 6 ? 6 : 4,
        address,
        port,
        clock: this.#host.clock,
        on: (bytes, from, fromPort, now) => this.#datagram(bytes, from, fromPort, now),
      });
    } catch (error) {
      throw unavailable(error as NodeJS.ErrnoException, this.#config);
    }
    return [{ url: `udp://${urlHost(address)}:${this.#socket.port}`, what: 'WebRTC media' }];
  }

  async take(request: LegRequest, seat: Seat, emit: (e: LegEvent) => void): Promise<Leg> {
    const socket = this.#socket;
    if (socket === undefined) throw refuse('server', 'shutting-down', 'The WebRTC port is not open.');
    if (this.#legs.size >= this.capacity)
      throw refuse('server', 'agent-full', `This agent has its ${this.capacity} WebRTC legs.`);
    if (request.begin.type !== 'offer')
      throw refuse('client', 'not-supported', 'WebRTC legs begin with an offer of the browser.');
    const begin = readBegin(request.begin.native);
    const offer = readOffer(begin.sdp);
    const leg = new WebRtcLeg({
      host: this.#host,
      socket,
      port: this.#port,
      slots: this.#slots,
      identity: this.#identity,
      fingerprint: this.#identity.fingerprint,
      random: randomBytes,
      request,
      offer,
      candidates: this.#candidates(request, socket),
      confirmed: () => seat.confirmed(),
      absent: on => seat.absent(on),
      emit,
      gone: () => void this.#legs.delete(leg),
    });
    this.#legs.add(leg);
    try {
      const sdp = leg.answer(
        await openMedia({
          host: this.#host,
          config: this.#config,
          logs: this.#logs,
          begin,
          offer,
          seat,
          leg,
        }),
      );
      emit({ type: 'description', id: 0, native: { sdp } });
      return leg;
    } catch (error) {
      leg.abandon();
      throw error;
    }
  }

  async close(): Promise<void> {
    for (const leg of [...this.#legs])
      leg.handle({
        type: 'close',
        why: { blame: 'server', reason: 'shutting-down', text: 'This server is going down.' },
      });
    this.#socket?.close();
    this.#socket = undefined;
  }

  #candidates(request: LegRequest, socket: UdpSocket) {
    const peer = request.who.address;
    const advertised = this.#host.advertisedAddress(peer);
    const addresses = candidateAddresses({ listening: this.#config.address, advertised, peer });
    if (addresses.length === 0)
      throw refuse(
        'server',
        'no-address',
        `There is no address to offer browsers: set externalAddress to an IP address of the same family as webrtc.address (${this.#config.address}).`,
      );
    return addresses.map(address => ({ address, port: socket.port }));
  }

  /** RFC 7983: STUN finds its leg by our ufrag, the rest by the address a check came from. */
  #datagram(bytes: Buffer, address: string, port: number, now: number): void {
    const from = { address, port };
    switch (kindOf(bytes)) {
      case 'media': {
        const leg = this.#port.byPath(from);
        return leg ? leg.datagram(bytes, now) : this.#host.count('junk', 'media-of-stranger');
      }
      case 'stun': {
        const message = readStun(bytes);
        if (typeof message === 'string') return this.#host.count('junk', `stun-${message}`);
        const leg = this.#port.byUfrag(localUfrag(message));
        return leg ? leg.stun(message, from) : this.#host.count('junk', 'stun-of-stranger');
      }
      case 'dtls': {
        const leg = this.#port.byPath(from);
        return leg ? leg.dtls(bytes, from) : this.#host.count('junk', 'dtls-of-stranger');
      }
      default:
        this.#host.count('junk', 'unknown');
    }
  }
}

const urlHost = (address: string): string => (isIP(address) === 6 ? `[${address}]` : address);

function unavailable(error: NodeJS.ErrnoException, { address, port }: WebRtcConfig) {
  const where = `UDP port ${port} on ${address}`;
  const what =
    error.code === 'EADDRINUSE'
      ? `${where} is already in use: end the program that has it or set webrtc.port to another port.`
      : error.code === 'EACCES'
        ? `${where} needs more rights than this process has: set webrtc.port to a port above 1023.`
        : `${where} cannot be opened (${error.message}): check webrtc.address and webrtc.port.`;
  return refuse('server', 'port-unavailable', what);
}
