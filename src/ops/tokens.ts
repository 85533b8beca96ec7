import { createHmac } from 'node:crypto';
import { decodeJwt, errors, jwtVerify, SignJWT } from 'jose';

/** An app whose tokens are good: one live secret, or two while one is being replaced. */
export interface App {
  readonly key: string;
  readonly secrets: readonly string[];
}

/** What a good token says. */
export interface Claims {
  readonly app: string;
  readonly room: string;
  readonly user: string;
  /** Unix seconds. */
  readonly exp: number;
  readonly can: readonly string[];
}

/** Why a credential is no good: for counters and the log, never for whoever sent it. */
export type Fault =
  | 'expired'
  | 'forged'
  | 'malformed'
  | 'other-room'
  | 'other-user'
  | 'other-protocol'
  | 'missing';

export const EVERYTHING: readonly string[] = ['publish', 'subscribe'];
const MAX_TOKEN = 4096;

const bytes = (secret: string): Uint8Array => new TextEncoder().encode(secret);

/** A room token: JWT, HS256, signed by the app's first secret. */
export const mintToken = (app: App, claims: Omit<Claims, 'app'>): Promise<string> =>
  new SignJWT({ app: app.key, room: claims.room, user: claims.user, can: [...claims.can] })
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setExpirationTime(claims.exp)
    .sign(bytes(app.secrets[0] ?? ''));

/** Reads a token against every live secret of the app it names. `now` in Unix ms. */
export async function readToken(apps: readonly App[], token: string, now: number): Promise<Claims | Fault> {
  if (token.length > MAX_TOKEN) return 'malformed';
  let app: App | undefined;
  try {
    const named = decodeJwt(token).app;
    app = apps.find(a => a.key === named);
  } catch {
    return 'malformed';
  }
  let fault: Fault = 'forged';
  for (const secret of app?.secrets ?? []) {
    try {
      const { payload } = await jwtVerify(token, bytes(secret), {
        algorithms: ['HS256'], // RFC 8725 §3.1: the verifier names the algorithm, never the token
        currentDate: new Date(now),
        requiredClaims: ['exp'],
      });
      return claimsOf(payload);
    } catch (error) {
      if (error instanceof errors.JWTExpired) fault = 'expired';
    }
  }
  return fault;
}

function claimsOf(payload: Record<string, unknown>): Claims | Fault {
  const { app, room, user, exp, can } = payload;
  if (typeof app !== 'string' || typeof room !== 'string' || typeof user !== 'string' || user === '')
    return 'malformed';
  if (can !== undefined && !(Array.isArray(can) && can.every(c => typeof c === 'string'))) return 'malformed';
  return { app, room, user, exp: exp as number, can: (can as string[] | undefined) ?? EVERYTHING };
}

/** The parts of a digest username `exp:room:user`; the user may hold colons. */
export function readDigestName(username: string): Omit<Claims, 'app' | 'can'> | undefined {
  const m = /^(\d{1,12}):([^:]{1,128}):(.{1,128})$/su.exec(username);
  return m ? { exp: Number(m[1]), room: m[2] as string, user: m[3] as string } : undefined;
}

/** The password of a digest username, for devices that know nothing but digest. */
export const digestPassword = (secret: string, username: string): string =>
  createHmac('sha256', secret).update(username).digest('base64url');
