import { createHmac, generateKeyPairSync, randomBytes } from 'node:crypto';
import dgram from 'node:dgram';
import { DtlsClient } from '../../src/proto/dtls/client.ts';
import { type Fingerprint, fingerprintOf } from '../../src/proto/dtls/proof.ts';
import { isDtls } from '../../src/proto/dtls/record.ts';
import { type Rtcp, readRtcp, writeRtcp } from '../../src/proto/rtp/rtcp.ts';
import { isRtcp } from '../../src/proto/rtp/rtp.ts';
import { SrtpReceiver } from '../../src/proto/rtp/srtp/receiver.ts';
import { SrtpSender } from '../../src/proto/rtp/srtp/sender.ts';
import { crc32 } from '../../src/proto/webrtc/crc32.ts';
import { TRANSPORT_CC } from '../../src/proto/webrtc/extensions.ts';
import { selfSignedCertificate } from '../../src/proto/x509/self-signed.ts';
import { numeric } from './stream.ts';

export const PAYLOAD_TYPE = 102;
const TRANSPORT_CC_ID = 3;
const CHECK_EVERY_MS = 5000;
const CONNECT_MS = 20_000;

const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const certificate = selfSignedCertificate({
  commonName: 'bench',
  dnsNames: [],
  ipAddresses: [],
  from: new Date(),
  days: 2,
  serial: randomBytes(8),
  ...keys,
}).der;
const ours = fingerprintOf(certificate);

export interface WebPeerOptions {
  /** `http://localhost:…/whip/…` or `/whep/…`. */
  readonly url: string;
  readonly direction: 'sendonly' | 'recvonly';
  /** A sealed packet; RTCP is opened and read before. */
  readonly rtp?: (sealed: Buffer) => void;
  readonly rtcp?: (packets: readonly Rtcp[]) => void;
}

/** The least of a browser: one H.264 line over one UDP socket, no jitter buffer, no repair. Opens only what it is told to. */
export class WebPeer {
  readonly ssrc = randomBytes(4).readUInt32BE();
  readonly #o: WebPeerOptions;
  readonly #socket = dgram.createSocket({ type: 'udp4', lookup: numeric, recvBufferSize: 1 << 20 });
  #server = { port: 0, ufrag: '', pwd: '' };
  #session = '';
  #dtls!: DtlsClient;
  #in: SrtpReceiver | undefined;
  #out: SrtpSender | undefined;
  #timer: NodeJS.Timeout | undefined;
  #connected!: () => void;

  static async open(o: WebPeerOptions): Promise<WebPeer> {
    const peer = new WebPeer(o);
    await peer.#connect();
    return peer;
  }

  private constructor(o: WebPeerOptions) {
    this.#o = o;
  }

  /** `slot` begins with the RTP header of `headerBytes`; room for the tag behind. */
  send(slot: Buffer, headerBytes: number, payload: Uint8Array): void {
    const length = this.#out?.seal(slot, headerBytes, payload) ?? 0;
    this.#socket.send(slot, 0, length, this.#server.port, '127.0.0.1');
  }

  report(packets: readonly Rtcp[]): void {
    if (this.#out !== undefined)
      this.#socket.send(this.#out.sealRtcp(writeRtcp(packets)), this.#server.port, '127.0.0.1');
  }

  /** The plain packet; throws on one that is not the server's. */
  unseal(sealed: Buffer): Uint8Array {
    const plain = this.#in?.open(sealed);
    if (plain === undefined || typeof plain === 'string') throw new Error(`SRTP: ${plain}`);
    return plain;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await fetch(this.#session, { method: 'DELETE' }).catch(() => {});
    this.#socket.close();
  }

  async #connect(): Promise<void> {
    await new Promise<void>(done => this.#socket.bind(0, '127.0.0.1', done));
    this.#socket.on('message', bytes => this.#datagram(bytes));
    const ufrag = randomBytes(4).toString('hex');
    const answer = await this.#post(offer(this.#o.direction, this.ssrc, ufrag));
    const find = (pattern: RegExp): string => pattern.exec(answer)?.[1] ?? '';
    this.#server = {
      port: Number(find(/^a=candidate:\S+ 1 udp \d+ 127\.0\.0\.1 (\d+)/im)),
      ufrag: find(/^a=ice-ufrag:(\S+)/m),
      pwd: find(/^a=ice-pwd:(\S+)/m),
    };
    const value = find(/^a=fingerprint:sha-256 (\S+)/im);
    const fingerprints: Fingerprint[] = [{ algorithm: 'sha-256', value }];
    this.#dtls = new DtlsClient({
      identity: { certificate, privateKey: keys.privateKey },
      fingerprints,
      profiles: ['AES_CM_128_HMAC_SHA1_80'],
      random: randomBytes,
      junk() {},
    });
    const connected = new Promise<void>(done => void (this.#connected = done));
    const check = (): void => this.#datagramOut(bindingRequest(this.#server, ufrag));
    check();
    this.#timer = setInterval(check, CHECK_EVERY_MS);
    const late = new Promise<never>((_, fail) =>
      setTimeout(() => fail(new Error(`no DTLS with ${this.#o.url}`)), CONNECT_MS).unref(),
    );
    await Promise.race([connected, late]);
  }

  async #post(sdp: string): Promise<string> {
    const answer = await fetch(this.#o.url, {
      method: 'POST',
      headers: { 'content-type': 'application/sdp' },
      body: sdp,
    });
    const body = await answer.text();
    if (answer.status !== 201) throw new Error(`${this.#o.url}: ${answer.status} ${body}`);
    this.#session = new URL(answer.headers.get('location') ?? '', this.#o.url).href;
    return body;
  }

  #datagram(bytes: Buffer): void {
    const first = bytes[0] ?? 0;
    if (first >= 128 && first < 192) return this.#media(bytes);
    if (isDtls(bytes)) this.#dtls.handle({ type: 'datagram', bytes }, performance.now());
    else if (this.#dtls.state === 'start') this.#dtls.handle({ type: 'start' }, performance.now());
    for (let out = this.#dtls.poll(); out; out = this.#dtls.poll()) {
      if (out.type === 'send') this.#datagramOut(out.bytes);
      else if (out.type === 'connected') {
        this.#in = new SrtpReceiver(out.server);
        this.#out = new SrtpSender(out.client);
        this.#connected();
      }
    }
  }

  #media(bytes: Buffer): void {
    if (!isRtcp(bytes)) return this.#o.rtp?.(bytes);
    const plain = this.#in?.openRtcp(bytes);
    const packets = plain === undefined || typeof plain === 'string' ? '' : readRtcp(plain);
    if (typeof packets !== 'string') this.#o.rtcp?.(packets);
  }

  #datagramOut(bytes: Buffer): void {
    this.#socket.send(bytes, this.#server.port, '127.0.0.1');
  }
}

const offer = (direction: string, ssrc: number, ufrag: string): string =>
  [
    'v=0',
    `o=- ${ssrc} 1 IN IP4 127.0.0.1`,
    's=-',
    't=0 0',
    'a=group:BUNDLE 0',
    `m=video 9 UDP/TLS/RTP/SAVPF ${PAYLOAD_TYPE} 103`,
    'c=IN IP4 0.0.0.0',
    `a=ice-ufrag:${ufrag}`,
    'a=ice-pwd:2/1muCWoOi3uLifh0NuRHlSv',
    `a=fingerprint:sha-256 ${ours.value}`,
    'a=setup:actpass',
    'a=mid:0',
    `a=${direction}`,
    'a=rtcp-mux',
    `a=extmap:${TRANSPORT_CC_ID} ${TRANSPORT_CC}`,
    `a=rtpmap:${PAYLOAD_TYPE} H264/90000`,
    `a=fmtp:${PAYLOAD_TYPE} level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f`,
    ...['nack', 'nack pli', 'transport-cc'].map(type => `a=rtcp-fb:${PAYLOAD_TYPE} ${type}`),
    'a=rtpmap:103 rtx/90000',
    `a=fmtp:103 apt=${PAYLOAD_TYPE}`,
    ...(direction === 'sendonly' ? [`a=ssrc:${ssrc} cname:bench`] : []),
    '',
  ].join('\r\n');

/** RFC 8445 §7.2.4: a check of the controlling agent that nominates at once. */
function bindingRequest({ ufrag, pwd }: { ufrag: string; pwd: string }, own: string): Buffer {
  const attribute = (type: number, value: Uint8Array): Buffer => {
    const out = Buffer.alloc(4 + ((value.length + 3) & ~3));
    out.writeUInt16BE(type, 0);
    out.writeUInt16BE(value.length, 2);
    out.set(value, 4);
    return out;
  };
  const body = Buffer.concat([
    Buffer.from('000100002112a442', 'hex'),
    randomBytes(12),
    attribute(0x0006, Buffer.from(`${ufrag}:${own}`)),
    attribute(0x802a, Buffer.alloc(8, 1)),
    attribute(0x0024, Buffer.alloc(4, 1)),
    attribute(0x0025, Buffer.alloc(0)),
  ]);
  body.writeUInt16BE(body.length + 4, 2);
  const integrity = attribute(0x0008, createHmac('sha1', pwd).update(body).digest());
  const out = Buffer.concat([body, integrity, Buffer.from('80280004', 'hex'), Buffer.alloc(4)]);
  out.writeUInt16BE(out.length - 20, 2);
  out.writeUInt32BE((crc32(out.subarray(0, -8)) ^ 0x5354554e) >>> 0, out.length - 4);
  return out;
}
