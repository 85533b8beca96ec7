import { createCipheriv, createDecipheriv, createHmac, timingSafeEqual } from 'node:crypto';
import { RtpHeader, SrtpSession } from 'werift';
import { RTP_HEADER_BYTES, writeRtpHeader } from '../../src/proto/rtp/rtp.ts';
import {
  isSrtpProfile,
  SRTP_PROFILES,
  type SrtpKeys,
  type SrtpProfile,
} from '../../src/proto/rtp/srtp/profile.ts';
import { SrtpReceiver } from '../../src/proto/rtp/srtp/receiver.ts';
import { SrtpSender } from '../../src/proto/rtp/srtp/sender.ts';
import { type Bench, CALLS, cpuOf, type Figure } from './measure.ts';
import { rawForwardUs } from './raw.ts';
import { G711_BYTES } from './stream.ts';

const SSRC = 0x1234;
const NAMES: Readonly<Record<SrtpProfile, string>> = {
  AES_CM_128_HMAC_SHA1_80: 'CM-SHA1-80',
  AES_CM_128_HMAC_SHA1_32: 'CM-SHA1-32',
  AEAD_AES_128_GCM: 'GCM',
  AEAD_AES_256_GCM: 'GCM-256',
};
const payload = Buffer.alloc(G711_BYTES, 0x5a);

export const srtp: Bench = {
  name: 'srtp',
  about: 'CPU to seal and to open one packet of G.711; baseline: the same bytes through bare node:crypto',
  async run({ note }) {
    const figures: Figure[] = [];
    for (const profile of Object.keys(SRTP_PROFILES).filter(isSrtpProfile)) {
      note(profile);
      const { keyBytes, saltBytes, aead } = SRTP_PROFILES[profile];
      const keys = { profile, masterKey: Buffer.alloc(keyBytes, 1), masterSalt: Buffer.alloc(saltBytes, 2) };
      const bare = aead ? bareGcm(keyBytes) : bareCm;
      const name = NAMES[profile];
      const { seal, open } = ours(keys);
      const peer = weriftProfile(profile) === undefined ? undefined : werift(keys);
      const runs: Readonly<Record<string, () => void>> = {
        seal,
        open,
        ...(peer && { 'seal by werift': peer.seal, 'open by werift': peer.open }),
        bareSeal: bare.seal,
        bareOpen: bare.open,
      };
      const cost = cpuOf(runs);
      const told = Object.keys(runs).filter(run => !run.startsWith('bare'));
      for (const run of told)
        figures.push({
          what: `${name}: ${run}`,
          value: cost[run] as number,
          unit: 'µs',
          baseline: cost[run.startsWith('seal') ? 'bareSeal' : 'bareOpen'] as number,
        });
      note('raw forward');
      const baseline = await rawForwardUs(G711_BYTES);
      figures.push({
        what: `${name}: seal and open beside a raw forward`,
        value: (cost.seal as number) + (cost.open as number),
        unit: 'µs',
        baseline,
      });
    }
    return figures;
  },
};

/** Sealed packets, each to be opened once. */
function sealed(keys: SrtpKeys): Buffer[] {
  const sender = new SrtpSender(keys);
  const out = Buffer.alloc(RTP_HEADER_BYTES + G711_BYTES + 16);
  return Array.from({ length: CALLS }, (_, seq) => {
    writeRtpHeader(out, 0, false, seq, seq * G711_BYTES, SSRC);
    return Buffer.from(out.subarray(0, sender.seal(out, RTP_HEADER_BYTES, payload)));
  });
}

interface Both {
  seal(): void;
  open(): void;
}

function ours(keys: SrtpKeys): Both {
  const sender = new SrtpSender(keys);
  const receiver = new SrtpReceiver(keys);
  const out = Buffer.alloc(RTP_HEADER_BYTES + G711_BYTES + 16);
  const ready = sealed(keys);
  let seq = 0;
  let next = 0;
  return {
    seal() {
      writeRtpHeader(out, 0, false, seq, seq * G711_BYTES, SSRC);
      sender.seal(out, RTP_HEADER_BYTES, payload);
      seq++;
    },
    open() {
      const plain = receiver.open(ready[next++] as Buffer);
      if (typeof plain === 'string') throw new Error(plain);
    },
  };
}

/** werift's number of a profile it has. */
const weriftProfile = (profile: SrtpProfile): 1 | 7 | undefined =>
  profile === 'AES_CM_128_HMAC_SHA1_80' ? 1 : profile === 'AEAD_AES_128_GCM' ? 7 : undefined;

function werift(keys: SrtpKeys): Both {
  const { masterKey, masterSalt, profile } = keys;
  const [key, salt] = [Buffer.from(masterKey), Buffer.from(masterSalt)];
  const session = new SrtpSession({
    profile: weriftProfile(profile) as 1 | 7,
    keys: { localMasterKey: key, localMasterSalt: salt, remoteMasterKey: key, remoteMasterSalt: salt },
  });
  const ready = sealed(keys);
  let seq = 0;
  let next = 0;
  return {
    seal() {
      session.encrypt(
        payload,
        new RtpHeader({ sequenceNumber: seq & 0xffff, timestamp: seq * G711_BYTES, ssrc: SSRC }),
      );
      seq++;
    },
    open: () => void session.decrypt(ready[next++] as Buffer),
  };
}

const key = Buffer.alloc(16, 3);
const packet = Buffer.alloc(RTP_HEADER_BYTES + G711_BYTES, 4);
const header = packet.subarray(0, RTP_HEADER_BYTES);

/** The fewest calls of node:crypto that do the work of one packet. */
const bareCm: Both = (() => {
  const iv = Buffer.alloc(16, 5);
  const run = (): void => {
    createCipheriv('aes-128-ctr', key, iv).update(payload);
    const tag = createHmac('sha1', key).update(packet).digest();
    timingSafeEqual(tag, tag);
  };
  return { seal: run, open: run };
})();

const bareGcm = (keyBytes: 16 | 32): Both => {
  const key = Buffer.alloc(keyBytes, 3);
  const name = keyBytes === 32 ? 'aes-256-gcm' : 'aes-128-gcm';
  const iv = Buffer.alloc(12, 5);
  const cipher = createCipheriv(name, key, iv).setAAD(header);
  const body = Buffer.concat([cipher.update(payload), cipher.final()]);
  const tag = cipher.getAuthTag();
  return {
    seal() {
      const sealing = createCipheriv(name, key, iv).setAAD(header);
      sealing.update(payload);
      sealing.final();
      sealing.getAuthTag();
    },
    open() {
      const opening = createDecipheriv(name, key, iv).setAAD(header).setAuthTag(tag);
      opening.update(body);
      opening.final();
    },
  };
};
