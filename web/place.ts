/** What the page's address says, and what this browser has kept. */
const query = new URLSearchParams(location.search);

/** The room of `/r/<room>`. */
export const room = decodeURIComponent(location.pathname.split('/')[2] ?? '');
/** With `?raw=1` the browser leaves the sound as it is, and opens no device before Join: for music and for tests. */
export const raw = query.get('raw') === '1';
/** `?camera=1` or `0`; else as last time, on at first. `?raw=1` is for sound: there it is off. */
const cameraAsked = query.get('camera');
/** An invitation that needs one carries it. */
export const token = query.get('token') ?? '';
/** A token says who one is; else the address may. */
export const givenName = userOf(token) ?? query.get('name');

/** Whether to begin with the camera on. */
export const wantsCamera = (): boolean =>
  cameraAsked === null ? !raw && recall('camera-on') !== 'no' : cameraAsked === '1';

type Kept = 'name' | 'microphone' | 'camera' | 'speaker' | 'camera-on';

export function recall(what: Kept): string {
  try {
    return localStorage.getItem(`roombridge.${what}`) ?? '';
  } catch {
    return ''; // storage is forbidden here
  }
}

export function keep(what: Kept, value: string): void {
  try {
    localStorage.setItem(`roombridge.${what}`, value);
  } catch {
    // storage is forbidden here: asked again next time
  }
}

function userOf(jwt: string): string | undefined {
  try {
    const payload = (jwt.split('.')[1] ?? '').replaceAll('-', '+').replaceAll('_', '/');
    const bytes = Uint8Array.from(atob(payload), c => c.codePointAt(0) as number);
    const { user } = JSON.parse(new TextDecoder().decode(bytes)) as { user?: unknown };
    return typeof user === 'string' ? user : undefined;
  } catch {
    return undefined; // no token, or one whose insides are its own affair
  }
}
