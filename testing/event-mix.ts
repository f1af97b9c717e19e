import { TypeID } from 'typeid-js';
import type { EventType } from '../domain/event-log.ts';
import { AccountId, CommentId, MediaId, PostId, StoryId } from '../domain/ids.ts';
import { happened, type DataOf, type Fact } from './projection-spec.ts';

type Known = { readonly postId: PostId; readonly authorId: AccountId };

/** Relative frequencies of what people do on a photo network, read off by far more than they write. */
const FREQUENCIES = {
  register: 15,
  follow: 160,
  unfollow: 12,
  post: 18,
  like: 420,
  unlike: 30,
  comment: 110,
  save: 30,
  story: 12,
  view: 150,
  block: 2,
  mute: 3,
  caption: 4,
  erase: 0.3,
  delete: 2,
} as const;
type Deed = keyof typeof FREQUENCIES;

const START_MS = Date.parse('2026-01-01T00:00:00.000Z');
/** The time from one event of a mix to the next. */
export const STEP_MS = 500;

/**
 * An endless, seeded history of the product's own mix: registrations, follows, posts with their media, likes, comments,
 * saves, stories, views, blocks, erasures, from `startMs` on. It makes sense throughout: nobody likes twice, nothing
 * happens to what is gone.
 */
export function* eventMix(seed: number, startMs = START_MS): Generator<Fact, never> {
  const world = new MixedWorld(seed, startMs);
  for (let n = 0; n < 20; n += 1) yield* world.does('register');
  for (;;) yield* world.does(world.chooseDeed());
}

class MixedWorld {
  readonly #startMs: number;
  readonly #random: () => number;
  readonly #accounts: AccountId[] = [];
  readonly #posts: Known[] = [];
  readonly #stories: { storyId: StoryId; authorId: AccountId }[] = [];
  readonly #pairs = new Map<string, readonly [string, string]>();
  readonly #deeds: Deed[];
  #step = 0;
  #registered = 0;

  constructor(seed: number, startMs: number) {
    this.#startMs = startMs;
    this.#random = mulberry32(seed);
    this.#deeds = Object.entries(FREQUENCIES).flatMap(([deed, weight]) =>
      Array.from({ length: Math.max(1, Math.round(weight * 3)) }, () => deed as Deed),
    );
  }

  chooseDeed(): Deed {
    return this.#deeds[Math.floor(this.#random() * this.#deeds.length)] ?? 'like';
  }

  *does(deed: Deed): Generator<Fact> {
    const who = this.#someone();
    const whom = this.#someone();
    switch (deed) {
      case 'register':
        return yield this.#register();
      case 'follow':
        return yield* this.#once('follow', who, whom, () =>
          this.#say('AccountFollowed', { followerId: who, followeeId: whom }, [whom, who]),
        );
      case 'unfollow':
        return yield* this.#undo('follow', (a, b) =>
          this.#say(
            'FollowEnded',
            { followerId: AccountId.parse(a), followeeId: AccountId.parse(b), reason: 'unfollowed' },
            [b, a],
          ),
        );
      case 'block':
        return yield* this.#once('block', who, whom, () =>
          this.#say('AccountBlocked', { blockerId: who, blockedId: whom }, [who, whom]),
        );
      case 'mute':
        return yield* this.#once('mute', who, whom, () =>
          this.#say('AccountMuted', { muterId: who, mutedId: whom }, [whom]),
        );
      case 'erase':
        return yield* this.#erase();
      case 'story':
        return yield* this.#story(who);
      case 'view':
        return yield* this.#view(who);
      default:
        return yield* this.#aboutPost(deed, who);
    }
  }

  *#aboutPost(
    deed: Exclude<Deed, 'register' | 'follow' | 'unfollow' | 'block' | 'mute' | 'erase' | 'story' | 'view'>,
    who: AccountId,
  ): Generator<Fact> {
    if (deed === 'post') return yield* this.#post(who);
    const post = this.#somePost();
    if (post === undefined) return;
    const { postId, authorId } = post;
    switch (deed) {
      case 'like':
        return yield* this.#once('like', postId, who, () =>
          this.#say('PostLiked', { postId, accountId: who, authorId }, [postId]),
        );
      case 'unlike':
        return yield* this.#undo('like', (p, a) =>
          this.#say('PostUnliked', { postId: PostId.parse(p), accountId: AccountId.parse(a), authorId }, [p]),
        );
      case 'save':
        return yield* this.#once('save', postId, who, () =>
          this.#say('PostSaved', { postId, accountId: who }, [postId]),
        );
      case 'comment':
        return yield this.#say(
          'CommentAdded',
          {
            commentId: CommentId.parse(this.#id('cmt')),
            postId,
            postAuthorId: authorId,
            accountId: who,
            parentCommentId: null,
            text: `what a view #${String(this.#step % 97)}`,
          },
          [postId],
        );
      case 'caption':
        return yield this.#say(
          'CaptionEdited',
          { postId, authorId, caption: `another word, #tag${String(this.#step % 31)}` },
          [authorId],
        );
      case 'delete': {
        this.#posts.splice(this.#posts.indexOf(post), 1);
        return yield this.#say('PostDeleted', { postId, authorId }, [authorId]);
      }
    }
  }

  #register(): Fact {
    const accountId = AccountId.parse(this.#id('acc'));
    this.#accounts.push(accountId);
    this.#registered += 1;
    const username = `user${String(this.#registered)}`;
    return this.#say(
      'AccountRegistered',
      {
        accountId,
        username,
        email: `${username}@example.org`,
        fullName: `User ${String(this.#registered)}`,
        privacy: 'public',
      },
      [accountId],
    );
  }

  *#post(authorId: AccountId): Generator<Fact> {
    const postId = PostId.parse(this.#id('post'));
    const mediaId = MediaId.parse(this.#id('med'));
    yield this.#say(
      'UploadCompleted',
      {
        mediaId,
        ownerId: authorId,
        kind: 'image',
        contentType: 'image/jpeg',
        fileSize: 123_456,
        sha256: 'ab'.repeat(32),
        key: `uploads/${mediaId}`,
      },
      [authorId],
    );
    yield this.#say(
      'PostCreated',
      {
        postId,
        authorId,
        caption: `day ${String(this.#step)} #tag${String(this.#step % 31)} #all`,
        mediaIds: [mediaId],
        filter: null,
        altTexts: { [mediaId]: 'a photo' },
        location: null,
        commentsDisabled: false,
      },
      [authorId],
    );
    const variants = (['thumbnail', 'small', 'medium', 'large', 'original'] as const).map((name) => ({
      name,
      key: `${mediaId}/${name}.webp`,
      contentType: 'image/webp',
      width: 640,
      height: 480,
      bytes: 45_678,
      sha256: 'cd'.repeat(32),
    }));
    yield this.#say(
      'MediaProcessed',
      {
        mediaId,
        ownerId: authorId,
        kind: 'image',
        width: 4_000,
        height: 3_000,
        durationMs: null,
        blurhash: 'LEHV6nWB2yk8pyo0adR*.7kCMdnj',
        variants,
        camera: { make: 'Maker', model: 'One' },
      },
      [authorId],
    );
    yield this.#say('PostPublished', { postId, authorId, publishedAt: this.#now() }, [authorId]);
    this.#posts.push({ postId, authorId });
  }

  *#story(authorId: AccountId): Generator<Fact> {
    const storyId = StoryId.parse(this.#id('sty'));
    yield this.#say(
      'StoryPosted',
      { storyId, authorId, mediaId: MediaId.parse(this.#id('med')), durationMs: 5_000, audience: 'all' },
      [authorId],
    );
    yield this.#say(
      'StoryPublished',
      {
        storyId,
        authorId,
        audience: 'all',
        publishedAt: this.#now(),
        expiresAt: new Date(this.#startMs + this.#step * STEP_MS + 86_400_000).toISOString(),
      },
      [authorId],
    );
    this.#stories.push({ storyId, authorId });
  }

  *#view(who: AccountId): Generator<Fact> {
    const story = this.#pick(this.#stories);
    if (story !== undefined)
      yield* this.#once('view', story.storyId, who, () =>
        this.#say('StoryViewed', { ...story, accountId: who }, [story.authorId, who]),
      );
  }

  *#erase(): Generator<Fact> {
    const accountId = this.#pick(this.#accounts);
    if (accountId === undefined || this.#accounts.length < 20) return;
    this.#accounts.splice(this.#accounts.indexOf(accountId), 1);
    for (const gone of this.#posts.filter(({ authorId }) => authorId === accountId))
      this.#posts.splice(this.#posts.indexOf(gone), 1);
    yield this.#say('AccountErased', { accountId }, [accountId]);
  }

  *#once(kind: string, one: string, other: string, make: () => Fact): Generator<Fact> {
    const key = `${kind} ${one} ${other}`;
    if (one === other || this.#pairs.has(key)) return;
    this.#pairs.set(key, [one, other]);
    yield make();
  }

  // Undoes the oldest of its kind among the next few, so that choosing stays cheap in a long history.
  *#undo(kind: string, make: (one: string, other: string) => Fact): Generator<Fact> {
    let looked = 0;
    for (const [key, [one, other]] of this.#pairs) {
      looked += 1;
      if (looked > 50) return;
      this.#pairs.delete(key);
      if (!key.startsWith(`${kind} `)) {
        this.#pairs.set(key, [one, other]);
        continue;
      }
      return yield make(one, other);
    }
  }

  #say<T extends EventType>(type: T, data: DataOf<T>, owners: readonly string[]): Fact {
    this.#step += 1;
    return { ...happened(type, data, this.#now()), owners };
  }

  #now(): string {
    return new Date(this.#startMs + this.#step * STEP_MS).toISOString();
  }

  #someone(): AccountId {
    return this.#pick(this.#accounts) ?? AccountId.parse(this.#id('acc'));
  }

  // The newest posts get most of the attention.
  #somePost(): Known | undefined {
    const recent = Math.floor(this.#posts.length * (1 - this.#random() ** 2));
    return this.#posts[recent] ?? this.#pick(this.#posts);
  }

  #pick<T>(items: readonly T[]): T | undefined {
    return items[Math.floor(this.#random() * items.length)];
  }

  // As UUIDv7: the time first, so that ids grow with the log as real ones do.
  #id(prefix: string): string {
    const bytes = new Uint8Array(16);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(this.#startMs + this.#step * STEP_MS) << 16n);
    for (let at = 6; at < 16; at += 1) bytes[at] = Math.floor(this.#random() * 256);
    return TypeID.fromUUIDBytes(prefix, bytes).toString();
  }
}

function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
