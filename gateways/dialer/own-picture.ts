import { colourNames } from '../../codecs/video/pattern-code.ts';
import type { Studio } from '../../codecs/video/studio/studio.ts';
import type { PatternColour } from '../../codecs/video/studio/wire.ts';
import type { Millis } from '../../src/contract.ts';
import { Camera, type CameraOptions } from './camera.ts';
import type { Outward, PictureOut } from './facts.ts';

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
  constructor(studio: Studio, user: string, note: (text: string) => void) {
    this.options = { ...SIZE, colour: colourOf(user) };
    this.camera = new Camera(studio, this.options, note);
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
