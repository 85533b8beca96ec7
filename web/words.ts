const EN = {
  yourName: 'Your name',
  micHint: 'Your browser will ask for the microphone.',
  join: 'Join',
  joinAgain: 'Join again',
  leave: 'Leave',
  mute: 'Mute',
  unmute: 'Unmute',
  controls: 'Your microphone and the way out',
  inRoom: 'In this room',
  room: 'Room',
  you: 'you',
  away: 'reconnecting',
  muted: 'muted',
  speaking: 'speaking',
  joining: 'Joining…',
  connected: 'You are in the room.',
  reconnecting: 'The connection was lost; reconnecting…',
  left: 'You have left the room.',
  kicked: 'The host has removed you from this room.',
  replaced: 'You have joined this room from another window.',
  ended: 'The meeting has ended.',
  mutedByHost: 'The host has muted you.',
  noDevice: 'No microphone was found. Connect one and try again.',
  noPermission:
    'The microphone is blocked. Allow it for this page in the browser’s address bar and try again.',
  deviceBusy: 'The microphone is used by another program. Close it and try again.',
  plainHttp: 'Browsers give the microphone to secure pages only. Open this page with https.',
  lost: 'The server cannot be reached. Check the network and try again.',
  noMedia: 'Sound cannot get through. Ask the admin whether the server’s UDP media port is reachable.',
} as const;

type Words = { readonly [K in keyof typeof EN]: string };

const ZH: Words = {
  yourName: '你的名字',
  micHint: '浏览器会请求使用麦克风。',
  join: '加入',
  joinAgain: '重新加入',
  leave: '离开',
  mute: '静音',
  unmute: '取消静音',
  controls: '麦克风与离开',
  inRoom: '会议成员',
  room: '会议室',
  you: '我',
  away: '正在重连',
  muted: '已静音',
  speaking: '正在发言',
  joining: '正在加入…',
  connected: '你已在会议室中。',
  reconnecting: '连接中断，正在重连…',
  left: '你已离开会议室。',
  kicked: '主持人已将你移出会议室。',
  replaced: '你已在另一个窗口加入此会议室。',
  ended: '会议已结束。',
  mutedByHost: '主持人已将你静音。',
  noDevice: '没有找到麦克风，请连接后重试。',
  noPermission: '麦克风被禁止，请在浏览器地址栏中允许本页面使用麦克风后重试。',
  deviceBusy: '麦克风正被其他程序使用，请关闭后重试。',
  plainHttp: '浏览器只允许安全页面使用麦克风，请用 https 打开本页面。',
  lost: '无法连接服务器，请检查网络后重试。',
  noMedia: '声音无法通过，请联系管理员检查服务器的 UDP 媒体端口是否可达。',
};

export const chinese = navigator.language.toLowerCase().startsWith('zh');
export const words: Words = chinese ? ZH : EN;

/** The sentence for a reason the server gave, or its own text where we have none. */
export function sentenceOf(reason: string, text: string): string {
  switch (reason) {
    case 'kicked':
      return words.kicked;
    case 'replaced':
      return words.replaced;
    case 'room-ended-by-host':
    case 'shutting-down':
      return words.ended;
    case 'no-media':
      return words.noMedia;
    default:
      return text || words.lost;
  }
}
