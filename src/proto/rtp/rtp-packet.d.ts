/** The part of `rtp-packet` (a test oracle without types of its own) that tests here use. */
declare module 'rtp-packet' {
  export interface Packet {
    payloadType: number;
    sequenceNumber: number;
    timestamp: number;
    ssrc: number;
    marker: boolean;
    payload: Uint8Array;
  }
  export function serialize(packet: Packet): Buffer;
  export function parse(bytes: Buffer): Packet;
}
