/** Most bytes of a picture. */
export const MAX_IMAGE_BYTES = 30 * 1024 * 1024;

/** Most pixels of a picture, known from its header before anything is decoded. */
export const MAX_IMAGE_PIXELS = 100_000_000;

/** Most bytes of a video. */
export const MAX_VIDEO_BYTES = 100 * 1024 * 1024;

/** Longest video. */
export const MAX_VIDEO_SECONDS = 60;
