import { describe, expect, it } from 'vitest';
import { aacConfigTag, aacFrameTag, avcConfigTag, avcFrameTag, readAudioTag, readVideoTag } from './flv.ts';

const hex = (text: string): Buffer => Buffer.from(text.replace(/\s/g, ''), 'hex');
const bytes = hex;

describe('FLV tag bodies', () => {
  it('reads AVC: record, frames with signed composition time, end', () => {
    expect(readVideoTag(hex('17 00 000000 01640028'))).toMatchObject({
      type: 'config',
      record: hex('01640028'),
    });
    expect(readVideoTag(hex('17 01 000042 00000001 65'))).toMatchObject({
      type: 'frame',
      key: true,
      compositionMs: 66,
    });
    expect(readVideoTag(hex('27 01 ffffff 00000001 41'))).toMatchObject({ key: false, compositionMs: -1 });
    expect(readVideoTag(hex('17 02 000000'))).toEqual({ type: 'end' });
    expect(readVideoTag(hex('57 00'))).toEqual({ type: 'nothing' });
  });

  it('reads the FourCC form of AVC, and names what it cannot carry', () => {
    expect(readVideoTag(hex('90 61766331 01'))).toMatchObject({ type: 'config', record: hex('01') });
    expect(readVideoTag(hex('91 61766331 000010 aa'))).toMatchObject({
      type: 'frame',
      key: true,
      compositionMs: 16,
    });
    expect(readVideoTag(hex('a3 61766331 aa'))).toMatchObject({
      type: 'frame',
      key: false,
      compositionMs: 0,
      units: hex('aa'),
    });
    expect(readVideoTag(hex('90 68766331'))).toEqual({ type: 'unsupported', codec: 'hvc1' });
    expect(readVideoTag(hex('22 00'))).toEqual({ type: 'unsupported', codec: 'Sorenson H.263' });
  });

  it('reads audio of every kind carried', () => {
    expect(readAudioTag(hex('af 00 1188'))).toEqual({ type: 'config', codec: 'AAC', config: bytes('1188') });
    expect(readAudioTag(hex('af 01 2110'))).toEqual({ type: 'frame', codec: 'AAC', payload: bytes('2110') });
    expect(readAudioTag(hex('72 d5d5'))).toEqual({ type: 'frame', codec: 'PCMA', payload: bytes('d5d5') });
    expect(readAudioTag(hex('82 ff'))).toEqual({ type: 'frame', codec: 'PCMU', payload: bytes('ff') });
    expect(readAudioTag(hex('91 4f707573 fc'))).toEqual({
      type: 'frame',
      codec: 'opus',
      payload: bytes('fc'),
    });
    expect(readAudioTag(hex('90 6d703461 1188'))).toEqual({
      type: 'config',
      codec: 'AAC',
      config: bytes('1188'),
    });
    expect(readAudioTag(hex('2f ff'))).toEqual({ type: 'unsupported', codec: 'MP3' });
    expect(readAudioTag(hex('b6 00'))).toEqual({ type: 'unsupported', codec: 'Speex' });
  });

  it('is junk when cut short', () => {
    for (const cut of ['', '17', '17 01 00', '90 6176', '91 61766331 00'])
      expect(readVideoTag(hex(cut)).type).toBe('junk');
    for (const cut of ['', 'af', '90 4f70']) expect(readAudioTag(hex(cut)).type).toBe('junk');
  });

  it('writes what it reads', () => {
    const frame = Buffer.concat(avcFrameTag(true, -40, [hex('65aa'), hex('06bb01')]));
    expect(frame.toString('hex')).toBe('1701ffffd8' + '0000000265aa' + '0000000306bb01');
    expect(readVideoTag(frame)).toMatchObject({ key: true, compositionMs: -40 });
    expect(Buffer.concat(avcConfigTag(hex('0164'))).toString('hex')).toBe('17000000000164');
    expect(Buffer.concat([...aacConfigTag(hex('1188')), ...aacFrameTag(hex('21'))]).toString('hex')).toBe(
      'af001188af0121',
    );
  });
});
