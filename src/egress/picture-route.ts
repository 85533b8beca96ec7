import type { Format, TrackInfo, Want } from '../contract.ts';
import type { Millis } from '../kit/core.ts';
import { isAudio } from './codecs.ts';
import type { Floor, Outlet } from './feed.ts';
import { trackSubject } from './picture-supply.ts';
import type { Ticking } from './pictures.ts';
import { type RoomView, type Route, shown } from './route.ts';
import { SpeakerChoice } from './speaker-choice.ts';
import { Switch } from './switch.ts';
