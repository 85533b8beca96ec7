import type { Host, Termination, Who } from '../../src/contract.ts';
import type { DigestServer } from '../../src/proto/sip/digest.ts';
import { textOf } from '../../src/proto/sip/grammar.ts';
import type { Invite } from '../../src/proto/sip/signalling.ts';
import { unescapeUri, userOf } from '../../src/proto/sip/uri.ts';
import type { HeaderLine } from '../../src/proto/sip/write.ts';
import type { SrtpPolicy } from './native.ts';
import { refusalOf } from './status.ts';

/** Names go to logs and pages: no longer than this. */
const MAX_NAME = 128;

/** More wrong passwords or PINs than anybody mistypes (`Guard.mayTry`). */
export const TOO_MANY_TRIES: Termination = {
  blame: 'client',
  reason: 'too-many-tries',
  text: 'Too many wrong passwords or PINs; wait a minute and call again.',
};

/** Who calls, as far as it says, to tell callers of one address apart. */
export const callerOf = ({ request }: Pick<Invite, 'request'>): string =>
  (userOf(request.from.uri) ?? 'anonymous').slice(0, MAX_NAME);

export type Access =
  | {
      readonly ok: true;
      readonly room: string;
      readonly who: Who;
      /** Of its trunk, instead of `sip.srtp`. */
      readonly srtp?: Exclude<SrtpPolicy, 'preferred'>;
    }
  | {
      readonly ok: false;
      readonly status: number;
      readonly headers: readonly HeaderLine[];
      readonly why: Termination;
    };

/**
 * Who calls, and which room. A token (header or URI parameter) goes on to the platform, which judges it; without one,
 * and where tokens are configured, the phone is challenged for the digest whose password derives from them.
 */
export function admit(invite: Invite, host: Host, digest: DigestServer): Access {
  const { request, flow } = invite;
  const room = userOf(request.uri);
  if (room === undefined || room === '')
    return refused({
      blame: 'client',
      reason: 'no-room-named',
      text: 'The address names no room: call sip:1000@host for room 1000.',
    });
  const caller: Who = {
    user: callerOf(invite),
    ...(request.from.display !== undefined && { display: request.from.display.slice(0, MAX_NAME) }),
    proof: 'claimed',
    address: flow.host,
  };
  const token = tokenOf(invite);
  if (token !== undefined) return { ok: true, room, who: { ...caller, credential: token } };
  return host.authRequired ? challenged(invite, host, digest, room, caller) : { ok: true, room, who: caller };
}

function tokenOf({ request }: Invite): string | undefined {
  const header = request.headers.get('x-roombridge-token');
  if (header !== undefined && header !== '') return header;
  const param = request.uri.params.get('token');
  return param === undefined || param === '' ? undefined : unescapeUri(param);
}

function challenged(invite: Invite, host: Host, digest: DigestServer, room: string, caller: Who): Access {
  const now = host.clock.now();
  const verdict = digest.verify(invite.request, now, name => host.digestPasswords(textOf(name)));
  if (verdict.ok) {
    const username = textOf(verdict.username);
    // interfaces.md: `exp:room:user`. The platform compares room and user with the credential; this is who it says.
    const user = username.split(':').slice(2).join(':');
    return { ok: true, room, who: { ...caller, user, proof: 'digest', credential: username } };
  }
  if (verdict.why === 'wrong') {
    host.count('unauthorized', 'digest');
    return refused({
      blame: 'client',
      reason: 'not-authorized',
      text: 'User name or password is not valid for this room, or has expired.',
    });
  }
  const userAgent = invite.request.headers.get('user-agent') ?? '';
  const why: Termination = {
    blame: 'client',
    reason: 'not-authorized',
    text: 'This room needs a token or a digest password.',
  };
  return { ok: false, status: 401, headers: digest.challenge(now, verdict.why === 'stale', userAgent), why };
}

export function refused(why: Termination): Access {
  const { status, headers } = refusalOf(why);
  return { ok: false, status, headers, why };
}
