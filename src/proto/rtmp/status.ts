import type { AmfObject } from './amf0.ts';

/** `onStatus` codes this server sends, RTMP 1.0 §7.2 and what players act on. */
export type StatusCode =
  | 'NetConnection.Connect.Success'
  | 'NetConnection.Connect.Rejected'
  | 'NetConnection.Connect.Closed'
  | 'NetConnection.Call.Failed'
  | 'NetStream.Publish.Start'
  | 'NetStream.Publish.BadName'
  | 'NetStream.Publish.Denied'
  /** Our own, level `warning`: the stream goes on without this. */
  | 'NetStream.Publish.NoSound'
  | 'NetStream.Publish.NoPicture'
  | 'NetStream.Unpublish.Success'
  | 'NetStream.Play.Start'
  | 'NetStream.Play.Reset'
  | 'NetStream.Play.Failed'
  | 'NetStream.Play.StreamNotFound'
  | 'NetStream.Play.UnpublishNotify'
  | 'NetStream.Play.Stop'
  | 'NetStream.Pause.Notify'
  | 'NetStream.Unpause.Notify'
  | 'NetStream.Seek.Failed';

const errors = /\.(Rejected|Failed|BadName|Denied|StreamNotFound)$/;
const warnings = /\.(NoSound|NoPicture)$/;

/** The information object of an `onStatus`; `description` is a sentence for a person. */
export const statusInfo = (code: StatusCode, description: string, more: AmfObject = {}): AmfObject => ({
  level: errors.test(code) ? 'error' : warnings.test(code) ? 'warning' : 'status',
  code,
  description,
  ...more,
});
