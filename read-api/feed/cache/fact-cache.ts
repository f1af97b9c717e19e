import type { AccountId } from '../../../domain/ids.ts';
import { Looks, type Changes, type ChangesHeard } from '../../../infra/process/invalidation-source.ts';
import { RecentMap } from '../../../infra/process/expiring-map.ts';
import { POST_VIEW_MODELS, postFacts, type PostFacts } from '../../../projections/queries/post-views.ts';
import type { Builds, ReadContext } from '../../../projections/projection.ts';

/** The facts of those of some posts that are published, by post. */
export type FactsOf = (
  read: ReadContext,
  viewer: AccountId,
  postIds: readonly string[],
  options: { fresh: boolean },
) => Promise<Map<string, PostFacts>>;

/** Asks the models each time. */
export const askedFacts: FactsOf = async (read, viewer, postIds) =>
  new Map((await postFacts(read, viewer, postIds)).map((one) => [one.post.id, one]));

const POSTS = 100_000;
const AUTHORS = 50_000;
const VIEWERS = 5_000;
/** Of one viewer; one who has seen more begins anew. */
const OWN_POSTS = 200;
/** Should a projector of an older release, which announces nothing, write the models, feeds are wrong for so long. */
const LIFETIME_MS = 60_000;

/** Shared by all that is known of an author's posts, so that one change reaches them all. */
type KnownAuthor = { readonly facts: PostFacts['author']; changed: boolean };
type KnownPost = { readonly facts: PostFacts['post']; readonly author: KnownAuthor };
/** What a viewer has to do with a post and its author, in one number: there are many of these. */
const OWN = { liked: 1, saved: 2, followed: 4, hidden: 8, blocks: 16 } as const;

/**
 * Facts of posts, authors and viewers as long as nobody announces that they have changed. While announcements may have
 * been missed, and for a `fresh` request, the models are asked.
 */
export class KeptFacts {
  readonly #heard: ChangesHeard;
  readonly #posts = new RecentMap<string, KnownPost>({ most: POSTS, lifetimeMs: LIFETIME_MS });
  readonly #authors = new Map<string, KnownAuthor>();
  readonly #viewers = new RecentMap<string, Map<string, number>>({ most: VIEWERS, lifetimeMs: LIFETIME_MS });
  readonly #looks = new Looks();
  #builds = '';

  constructor(heard: ChangesHeard) {
    this.#heard = heard;
    heard.onChanges((changes) => {
      this.#forget(changes);
    });
  }

  readonly of: FactsOf = async (read, viewer, postIds, { fresh }) => {
    if (!this.#heard.complete) return askedFacts(read, viewer, postIds, { fresh });
    this.#follow(read.builds);
    const found = new Map<string, PostFacts>();
    const missing = fresh ? postIds : this.#collect(viewer, postIds, found);
    if (missing.length > 0) for (const facts of await this.#ask(read, viewer, missing)) found.set(facts.post.id, facts);
    return found;
  };

  /** Adds to `found` what is known, and gives the posts of which something is not. */
  #collect(viewer: AccountId, postIds: readonly string[], found: Map<string, PostFacts>): string[] {
    const now = performance.now();
    const seen = this.#viewers.get(viewer, now);
    return postIds.filter((id) => {
      const post = this.#posts.get(id, now);
      const own = seen?.get(id);
      if (post === undefined || post.author.changed || own === undefined) return true;
      found.set(id, { post: post.facts, author: post.author.facts, ...unpacked(own) });
      return false;
    });
  }

  async #ask(read: ReadContext, viewer: AccountId, postIds: readonly string[]): Promise<PostFacts[]> {
    const look = this.#looks.begin();
    try {
      const asked = await postFacts(read, viewer, postIds);
      if (!look.all) this.#keep(viewer, asked, look.since);
      return asked;
    } finally {
      this.#looks.end(look);
    }
  }

  /** Keeps all but what changed while it was asked for. */
  #keep(viewer: AccountId, asked: readonly PostFacts[], since: ReadonlySet<string>): void {
    for (const { post, author } of asked) {
      if (since.has(post.author)) continue;
      const known = this.#authorOf(post.author, author);
      if (!since.has(post.id)) this.#posts.set(post.id, { facts: post, author: known });
    }
    // Whatever changes between the viewer and a post or its author is announced with the viewer's own name.
    if (!since.has(viewer)) this.#keepOwn(viewer, asked);
  }

  #authorOf(id: string, facts: PostFacts['author']): KnownAuthor {
    const known = this.#authors.get(id);
    if (known?.facts.row === facts.row) return known;
    this.#dropAuthor(id);
    const author = { facts, changed: false };
    this.#authors.set(id, author);
    if (this.#authors.size > AUTHORS) this.#dropAuthor([...this.#authors.keys().take(1)][0] ?? '');
    return author;
  }

  /** Nobody would tell its posts of a later change. */
  #dropAuthor(id: string): void {
    const author = this.#authors.get(id);
    if (author !== undefined) author.changed = true;
    this.#authors.delete(id);
  }

  #keepOwn(viewer: AccountId, asked: readonly PostFacts[]): void {
    const known = this.#viewers.get(viewer);
    const own = known !== undefined && known.size < OWN_POSTS ? known : new Map<string, number>();
    for (const facts of asked) own.set(facts.post.id, packed(facts));
    if (own !== known) this.#viewers.set(viewer, own);
  }

  #forget(changes: Changes): void {
    if (changes === 'all') {
      this.#forgetAll();
      return;
    }
    for (const id of changes) {
      this.#posts.delete(id);
      this.#viewers.delete(id);
      this.#dropAuthor(id);
    }
    this.#looks.note(changes);
  }

  #forgetAll(): void {
    this.#posts.clear();
    this.#authors.clear();
    this.#viewers.clear();
    this.#looks.note('all');
  }

  /** Another build is another world. */
  #follow(builds: Builds): void {
    const now = POST_VIEW_MODELS.map((model) => builds.id(model)).join('/');
    if (now === this.#builds) return;
    this.#builds = now;
    this.#forgetAll();
  }
}

function packed({ marks, ties }: PostFacts): number {
  return (
    (marks.liked ? OWN.liked : 0) |
    (marks.saved ? OWN.saved : 0) |
    (ties.followed ? OWN.followed : 0) |
    (ties.hidden ? OWN.hidden : 0) |
    (ties.blocks ? OWN.blocks : 0)
  );
}

function unpacked(own: number): Pick<PostFacts, 'marks' | 'ties'> {
  const has = (flag: number) => (own & flag) !== 0;
  return {
    marks: { liked: has(OWN.liked), saved: has(OWN.saved) },
    ties: { followed: has(OWN.followed), hidden: has(OWN.hidden), blocks: has(OWN.blocks) },
  };
}
