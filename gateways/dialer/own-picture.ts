import { colourNames } from '../../codecs/video/pattern-code.ts';
import type { Millis } from '../../src/contract.ts';
import { Camera, type CameraOptions } from './camera.ts';
import type { PictureOut } from './facts.ts';
import type { PatternColour } from './studio-wire.ts';
import type { Outward, Trip } from './trip.ts';

const SIZE = { width: 640, height: 360 };

/** The picture a dial sends, and what is heard of it. */
export class OwnPicture implements Outward {
  readonly camera: Camera;
  readonly options: CameraOptions;
  packets = 0;
  pictures = 0;
  reports = 0;
  reported = false;
  lossPercent: number | undefined;
  jitterMs: number | undefined;
  rttMs: number | undefined;
  keyframesAsked = 0;
  backMs: number | undefined;

  /** `user` decides on the colour, so that two dialers can be told apart. */
  constructor(trip: Trip, user: string) {
    this.options = { ...SIZE, colour: colourOf(user) };
    if (trip.studio === undefined) throw new Error('There is no studio.');
    this.camera = new Camera(trip.studio, this.options, text => trip.note(text));
  }

  /** The server wants a keyframe. */
  requestKey(): void {
    this.keyframesAsked++;
    this.camera.requestKey();
  }

  facts(talkedMs: Millis): PictureOut {
    const { packets, pictures, reports, reported, lossPercent, keyframesAsked, backMs } = this;
    const fps = talkedMs > 0 ? (pictures * 1000) / talkedMs : 0;
    return {
      codec: 'H264',
      ...SIZE,
      fps,
      packets,
      reports,
      reported,
      lossPercent,
      keyframesAsked,
      backMs,
    };
  }
}

function colourOf(user: string): PatternColour {
  const sum = [...Buffer.from(user)].reduce((n, byte) => n * 31 + byte, 7);
  return colourNames[Math.abs(sum | 0) % colourNames.length] as PatternColour;
}
