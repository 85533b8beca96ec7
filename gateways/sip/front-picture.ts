/** Keyframes asked for in INFO (RFC 5168), where there is no RTCP feedback. */
export const MEDIA_CONTROL = 'application/media_control+xml';

export const PICTURE_FAST_UPDATE = {
  contentType: MEDIA_CONTROL,
  content:
    '<?xml version="1.0" encoding="utf-8"?><media_control><vc_primitive><to_encoder>' +
    '<picture_fast_update/></to_encoder></vc_primitive></media_control>',
} as const;

/** One word is all that is looked for: the rest of the document is the same in everybody's INFO. */
export const asksForPicture = (contentType: string, content: string): boolean =>
  contentType === MEDIA_CONTROL && /<picture_fast_update[\s/>]/.test(content);
