import type { PhoneCodec } from '../../src/proto/sdp/audio.ts';

/** What a dialer is asked to do. */
export interface Ask {
  /** `sip:1000@host[:port]`, `whip+https://host/whip/1000?user=alice`, `rtmp://host/room/1000/alice`, `artp://host/1000`. */
  readonly target: string;
  /** Of the tone that is sent, whole Hz. */
  readonly toneHz: number;
  /** Of media; a little more when the server's first RTCP report is still to come. */
  readonly seconds: number;
  /** The dial fails unless this tone is heard. */
  readonly expectHz?: number | undefined;
  /** Undefined: all, the best first. SIP only. */
  readonly codec?: PhoneCodec | undefined;
  /** Who calls; also the digest username when there is a password. */
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  /** A room token. Never shown. */
  readonly token?: string | undefined;
  /** Sends no picture and asks for none. */
  readonly soundOnly?: boolean | undefined;
  /** The dial fails unless a picture comes and can be decoded. */
  readonly expectPicture?: boolean | undefined;
  /** Takes any certificate. */
  readonly insecure: boolean;
}

const ANYONE = 'dialer';

/** Who calls: as told, else as the token says (a token is good for one user only), else `dialer`. */
export function callerOf({ user, token }: Pick<Ask, 'user' | 'token'>): string {
  if (user !== undefined) return user;
  try {
    const claims: unknown = JSON.parse(Buffer.from(token?.split('.')[1] ?? '', 'base64url').toString());
    const told = (claims as { user?: unknown } | null)?.user;
    return typeof told === 'string' && told !== '' ? told : ANYONE;
  } catch {
    return ANYONE; // a ticket or a resume secret
  }
}
