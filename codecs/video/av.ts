/** FFmpeg for pictures: loaded in the video workers, and by the test pattern and its reader in their own process. */
import { type Av, loadAv, missingAv } from '../av.ts';

const SENTENCE =
  'Changing the codec or size of a picture needs FFmpeg, which the optional package node-av brings, and it is not ' +
  'installed here (or not for this platform); run "npm install node-av", or let both sides use the same codec (H.264).';

/** Why pictures cannot be transcoded here, as a sentence; undefined when they can. */
export const missingForVideo = (): string | undefined => missingAv(SENTENCE);

/** Rejects with a Refusal that says the same. */
export const loadVideoAv = (): Promise<Av> => loadAv(SENTENCE);
