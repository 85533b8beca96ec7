import type { Format, FrameMark, MediaPacket, Millis, Sink } from '../../src/contract.ts';
import { readAnnexB } from '../h264/annexb.ts';
import { H264FormatWatch } from '../h264/format.ts';
import { h264SinglePacketizer } from '../h264/mode0.ts';
import { NalType, nalType } from '../h264/nal.ts';
import { h264Packetizer } from '../h264/packetize.ts';
import { readSlice } from '../h264/slice.ts';
import { Vp8View } from '../vp8/descriptor.ts';
import { vp8Format } from '../vp8/ingress.ts';
import { vp8Packetizer } from '../vp8/packetize.ts';
import { isMode0, MAX_SINGLE_BYTES } from './spec.ts';
import type { CodedPicture } from './wire.ts';

export interface OutputNeeds {
  readonly onPacket: Sink<MediaPacket>;
  /** What is made, when it changes: `fmtp` has profile-level-id, packetization-mode, x-size, x-reorder. */
  onFormat(f: Format): void;
  /** A picture could not be sent in the wanted mode; it was dropped. */
  dropped(): void;
}

/** Coded pictures to packets of the payload format the receiver accepts. */
export function openOutput(to: Format, needs: OutputNeeds): (p: CodedPicture, now: Millis) => void {
  const packet: MediaPacket = { seq: 0, pts: 0, marker: false, payload: new Uint8Array(0) };
  let at: Millis = 0;
  const emit = (payload: Uint8Array, mark: FrameMark): void => {
    packet.seq++;
    packet.payload = payload;
    packet.marker = mark.end;
    packet.frame = mark;
    needs.onPacket(packet, at);
  };
  const pack = to.codec === 'H264' ? h264Output(to, needs, emit) : vp8Output(needs, emit);
  return (picture, now) => {
    at = now;
    packet.pts = picture.pts;
    pack(picture);
  };
}

type Emit = (payload: Uint8Array, mark: FrameMark) => void;

function h264Output(to: Format, needs: OutputNeeds, emit: Emit): (p: CodedPicture) => void {
  const single = isMode0(to) ? h264SinglePacketizer(MAX_SINGLE_BYTES) : undefined;
  const pack = h264Packetizer();
  const mode = single === undefined ? '1' : '0';
  const watch = new H264FormatWatch(f =>
    needs.onFormat({ ...f, fmtp: { ...f.fmtp, 'packetization-mode': mode } }),
  );
  return picture => {
    const units = readAnnexB(picture.bytes).filter(unit => nalType(unit) !== NalType.sei); // the encoder's name
    for (const unit of units) {
      if (nalType(unit) === NalType.sps) watch.sps(unit);
      const slice = readSlice(unit);
      if (slice !== undefined) watch.slice(slice.type);
    }
    if (single === undefined) pack(units, picture.key, emit);
    else if (!single(units, picture.key, emit)) needs.dropped();
  };
}

function vp8Output(needs: OutputNeeds, emit: Emit): (p: CodedPicture) => void {
  const pack = vp8Packetizer();
  const view = new Vp8View();
  let size = '';
  return picture => {
    pack(picture.bytes, (payload, mark) => {
      if (mark.start && view.read(payload) === undefined && view.key) {
        const now = `${view.width}x${view.height}`;
        if (now !== size) needs.onFormat(vp8Format(view.width, view.height));
        size = now;
      }
      emit(payload, mark);
    });
  };
}
