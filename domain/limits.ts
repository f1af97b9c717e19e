/**
 * Limits of the product that clients see (text in characters as a reader counts them, sizes in bytes, times in
 * milliseconds).
 */
export const LIMITS = {
  username: { min: 3, max: 30 },
  fullName: 100,
  bio: 150,
  website: 200,
  caption: 2200,
  comment: 2200,
  altText: 1000,
  placeName: 100,
  /** In code points of its normal form; more is refused, never cut. */
  hashtag: 100,
  hashtagsPerPost: 30,
  mediaPerPost: 10,
  imageBytes: 30 * 1024 * 1024,
  videoBytes: 100 * 1024 * 1024,
  /** How long an address for an upload may be used, and the upload completed. */
  uploadLifetimeMs: 3_600_000,
  storyDurationMs: { default: 5_000, max: 60_000 },
  storyLifetimeMs: 24 * 3_600_000,
} as const;

/** The home feed's numbers. */
export const FEED = {
  entries: 500,
  /** A set may grow by this share before it is trimmed. */
  slack: 0.1,
  windowMs: 7 * 24 * 3_600_000,
  celebrityEntries: 100,
  celebritiesMerged: 50,
} as const;
