import { Refused } from './refused.ts';

/** Who one is to WHIP and WHEP. */
export interface MediaAccess {
  readonly room: string;
  readonly participant: string;
  /** The token, or the resume secret of the participant. */
  readonly bearer: string;
}

/** A connection that wavers for so long is made anew; the browser itself waits half a minute. */
const WAVERS_MS = 6000;

/** Time for a DELETE to reach the server. */
const GOODBYE_MS = 300;

/** A peer connection; `lost` is told once when it breaks, `waver` while it may yet recover. */
export function openPeer(lost: () => void, waver: (on: boolean) => void): RTCPeerConnection {
  const peer = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
  let timer: ReturnType<typeof setTimeout> | undefined;
  let wavers = false;
  peer.onconnectionstatechange = () => {
    clearTimeout(timer);
    if (peer.connectionState === 'failed') return lost();
    if (wavers === (peer.connectionState === 'disconnected')) return;
    wavers = !wavers;
    waver(wavers);
    if (wavers)
      timer = setTimeout(() => {
        if (peer.connectionState === 'disconnected') lost();
      }, WAVERS_MS);
  };
  return peer;
}

/** A goodbye over DTLS does not end the state `connected` of the peer. */
export function watchGoodbye(peer: RTCPeerConnection, lost: () => void): void {
  const [first] = peer.getTransceivers();
  const transport = first?.sender.transport ?? first?.receiver.transport;
  if (transport)
    transport.onstatechange = () =>
      transport.state === 'closed' && peer.signalingState !== 'closed' && lost();
}

/** A WHIP or WHEP session as its page knows it. */
export interface Session {
  /** Its address on the server. */
  readonly url: string;
  end(): void;
}

/**
 * Offer up, answer down (RFC 9725). While it stands, ICE is restarted when it wavers: after a change of network that is all
 * it needs. `lost`: the server says that there is no such session any more. Rejects with Refused when the server says no.
 */
export async function exchange(
  peer: RTCPeerConnection,
  path: string,
  bearer: string,
  lost: () => void,
): Promise<Session> {
  await peer.setLocalDescription();
  const response = await fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/sdp', authorization: `Bearer ${bearer}` },
    body: peer.localDescription?.sdp ?? '',
  });
  const body = await response.text();
  if (!response.ok) throw refusalOf(response.status, body);
  const url = response.headers.get('location') ?? '';
  let over = false;
  const end = (): void => {
    over = true;
    peer.onconnectionstatechange = null;
    const headers = { authorization: `Bearer ${bearer}` };
    // Before the peer's own goodbye, with which the server would forget the session.
    if (url) void fetch(url, { method: 'DELETE', headers, keepalive: true }).catch(() => {});
    setTimeout(() => peer.close(), GOODBYE_MS);
  };
  if (peer.signalingState === 'closed') {
    end();
    throw new Error('closed meanwhile');
  }
  await peer.setRemoteDescription({ type: 'answer', sdp: body });
  peer.addEventListener('connectionstatechange', () => {
    if (over || peer.connectionState !== 'disconnected') return;
    restart(peer, url, bearer, body).then(
      there => {
        if (!there && !over) lost();
      },
      () => {}, // no network at all, or it was closed meanwhile: the timer of `openPeer` decides
    );
  });
  return { url, end };
}

/** ICE restart (RFC 9725 §4.3.3): new credentials both ways, everything else stays. False: the session is gone. */
async function restart(
  peer: RTCPeerConnection,
  url: string,
  bearer: string,
  answer: string,
): Promise<boolean> {
  await peer.setLocalDescription(await peer.createOffer({ iceRestart: true }));
  const response = await fetch(url, {
    method: 'PATCH',
    headers: {
      'content-type': 'application/trickle-ice-sdpfrag',
      'if-match': '*',
      authorization: `Bearer ${bearer}`,
    },
    body: ICE.map(line => line.exec(peer.localDescription?.sdp ?? '')?.[0] ?? '').join('\r\n'),
  });
  if (!response.ok) return false;
  const fragment = await response.text();
  const sdp = ICE.reduce((text, line) => {
    const said = line.exec(fragment)?.[0];
    return said === undefined ? text : text.replaceAll(new RegExp(line.source, 'gm'), said);
  }, answer);
  await peer.setRemoteDescription({ type: 'answer', sdp });
  return true;
}

/** What a restart changes. */
const ICE = [/^a=ice-ufrag:[^\r\n]*/m, /^a=ice-pwd:[^\r\n]*/m];

function refusalOf(status: number, body: string): Refused {
  const final = status < 500 && status !== 429 && status !== 408;
  try {
    const problem = JSON.parse(body) as { type?: string; detail?: string; title?: string };
    const reason = problem.type?.split(/[:/]/).at(-1) ?? '';
    return new Refused(reason, problem.detail ?? problem.title ?? '', final);
  } catch {
    return new Refused(`http-${status}`, '', final);
  }
}
