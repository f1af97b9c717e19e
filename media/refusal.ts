/** Why a file is not taken. The codes are stable; the words beside them are for people. */
export type MediaRefusalCode =
  | 'media_empty'
  | 'media_too_large'
  | 'media_too_many_pixels'
  | 'media_unsupported_type'
  | 'media_type_mismatch'
  | 'media_polyglot'
  | 'media_decoder_unavailable'
  | 'media_corrupt'
  | 'media_timeout'
  | 'media_too_complex'
  | 'media_video_unavailable'
  | 'media_hdr_unavailable'
  | 'media_video_too_long';

/** A refusal is an answer about the file: the same file is refused again, so nobody needs to retry it. */
export interface MediaRefusal {
  readonly ok: false;
  readonly code: MediaRefusalCode;
  /** One plain sentence for the person who uploaded the file. */
  readonly reason: string;
}

const REASONS: Readonly<Record<MediaRefusalCode, string>> = {
  media_empty: 'The file is empty.',
  media_too_large: 'The file is larger than allowed.',
  media_too_many_pixels: 'The picture has more than 100 megapixels.',
  media_unsupported_type: 'The content is none of the supported picture and video types.',
  media_type_mismatch: 'The content is of another type than declared.',
  media_polyglot: 'The file is also a document of another kind.',
  media_decoder_unavailable: 'This server cannot decode this picture format.',
  media_corrupt: 'The file is damaged and cannot be decoded.',
  media_timeout: 'Decoding the file takes too long.',
  media_too_complex: 'Decoding the file takes too much memory or crashes the decoder.',
  media_video_unavailable: 'This server cannot process videos.',
  media_hdr_unavailable: 'This server cannot process HDR videos.',
  media_video_too_long: 'The video is longer than 60 seconds.',
};

/** The refusal with the standard sentence of its code. */
export function refuse(code: MediaRefusalCode): MediaRefusal {
  return { ok: false, code, reason: REASONS[code] };
}
