import { describe, expect, it } from 'vitest';
import { Refusal } from '../../src/kit/refusal.ts';
import { formatPath, maskToken, parsePath } from './path.ts';

const whyNot = (app: string, name: string): string => {
  try {
    return JSON.stringify(parsePath(app, name));
  } catch (error) {
    return error instanceof Refusal ? `${error.why.reason}: ${error.why.text}` : String(error);
  }
};

describe('RTMP path', () => {
  it('means the same wherever a client splits it', () => {
    const want = { room: '1000', user: 'alice', screen: true, token: 't.t-t_' };
    expect(parsePath('room', '1000/alice/screen?token=t.t-t_')).toEqual(want);
    expect(parsePath('room/1000', 'alice/screen?token=t.t-t_')).toEqual(want);
    expect(parsePath('room/1000/alice', 'screen?token=t.t-t_')).toEqual(want);
    expect(parsePath('room/1000/alice?token=t.t-t_', 'screen')).toEqual(want);
    expect(parsePath('/room/1000/alice/screen/', '?token=t.t-t_')).toEqual(want);
    expect(parsePath('room/1000/alice/screen?token=t.t-t_', '')).toEqual(want);
  });

  it('names a room, a member, and who plays', () => {
    expect(parsePath('room', '1000?as=alice')).toEqual({ room: '1000', screen: false, as: 'alice' });
    expect(parsePath('room/1000', 'bob?as=alice&token=x')).toEqual({
      room: '1000',
      user: 'bob',
      screen: false,
      as: 'alice',
      token: 'x',
    });
  });

  it('takes percent-encoded UTF-8', () => {
    expect(parsePath('room/%E4%BC%9A%E8%AE%AE', 'J%C3%BCrgen%20M')).toMatchObject({
      room: '会议',
      user: 'Jürgen M',
    });
    expect(formatPath({ room: '会议', user: 'a/b', screen: false, as: 'x y', token: 't' })).toBe(
      '/room/%E4%BC%9A%E8%AE%AE/a%2Fb?as=x%20y&token=t',
    );
    expect(formatPath({ room: '1', user: 'bob', screen: true })).toBe('/room/1/bob/screen');
  });

  it.each([
    ['live', 'stream', 'not of the form'],
    ['room', '', 'not of the form'],
    ['', '', 'not of the form'],
    ['Room', '1000/alice', 'not of the form'],
    ['room/1000/alice', 'camera', 'only stand "screen"'],
    ['room/1000/alice', 'screen/x', 'only stand "screen"'],
    ['room/%ff', 'alice', 'not percent-encoded'],
    ['room/1000', 'a%00b', 'slash or control'],
    ['room/1000', 'a%2Fb', 'slash or control'],
    ['room/1000', `bob?as=${'x'.repeat(200)}`, 'longer than'],
    ['room/1000', 'x'.repeat(129), 'longer than'],
  ])('refuses app "%s" name "%.20s" in words', (app, name, words) => {
    expect(whyNot(app, name)).toMatch(/^bad-path: /);
    expect(whyNot(app, name)).toContain(words);
  });

  it('hides tokens', () => {
    expect(maskToken('alice?as=x&token=secret&y=1')).toBe('alice?as=x&token=…&y=1');
    expect(maskToken('alice?token=secret')).toBe('alice?token=…');
  });
});
