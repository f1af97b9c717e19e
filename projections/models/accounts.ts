import type { DomainEvent, EventOfType } from '../../domain/event-log.ts';
import type { Sql } from '../../infra/postgres.ts';
import { declaredOf, unreachable } from './batch.ts';
import { foldRows } from './fold.ts';
import type { PostgresProjection } from '../projection.ts';
import { upsertRows } from './rows.ts';
import { searchable, trigramIndex } from './text-search.ts';

const handles = [
  'AccountRegistered',
  'ProfileEdited',
  'ProfilePictureChosen',
  'AccountMadePrivate',
  'AccountMadePublic',
  'CelebrityStatusGranted',
  'CelebrityStatusRevoked',
  'AccountVerified',
  'VerificationWithdrawn',
  'RegistrationAbandoned',
  'AccountErased',
] as const;
type Handled = EventOfType<(typeof handles)[number]>;

/**
 * SQL: the few accounts whose entries may not simply be pushed to their followers, who are or were celebrities or are
 * gone. An index serves the condition as it stands here.
 */
export const UNCOMMON = `(was_celebrity or status <> 'active')`;

/** Profiles. An erased account keeps a row that says so and nothing else; events after its erasure change nothing. */
export const accounts: PostgresProjection = {
  store: 'postgres',
  name: 'accounts',
  version: 3,
  handles,
  ddl: (schema) => `
    create table ${schema}.account (
      account_id text collate "C" primary key,
      username text collate "C",
      full_name text collate "C",
      bio text collate "C",
      website text collate "C",
      profile_media_id text collate "C",
      is_private boolean not null,
      is_celebrity boolean not null,
      was_celebrity boolean not null,
      is_verified boolean not null,
      status text collate "C" not null,
      registered_at timestamptz,
      search_text text collate "C"
    );
    create unique index on ${schema}.account (username) where status = 'active';
    create index on ${schema}.account (account_id) where was_celebrity;
    create index on ${schema}.account (account_id) where ${UNCOMMON};
    create index on ${schema}.account (registered_at desc) where status = 'active';
    ${trigramIndex(`${schema}.account`, 'search_text')}`,
  apply,
  tables: [
    {
      table: 'account',
      key: ['account_id'],
      columns: [
        'username',
        'full_name',
        'bio',
        'website',
        'profile_media_id',
        'is_private',
        'is_celebrity',
        'was_celebrity',
        'is_verified',
        'status',
        'registered_at',
        'search_text',
      ],
    },
  ],
};

type AccountRow = {
  account_id: string;
  username: string | null;
  full_name: string | null;
  bio: string | null;
  website: string | null;
  profile_media_id: string | null;
  is_private: boolean;
  is_celebrity: boolean;
  was_celebrity: boolean;
  is_verified: boolean;
  status: 'active' | 'abandoned' | 'erased';
  registered_at: Date | null;
  search_text: string | null;
};

async function apply(tx: Sql, schema: string, events: readonly DomainEvent[]): Promise<void> {
  const table = `${schema}.account`;
  const keyOf = (event: Handled) => event.data.accountId;
  const folded = await foldRows<AccountRow, Handled>(
    tx,
    { table, key: 'account_id', keyOf, step },
    declaredOf(handles, events),
  );
  const rows = folded.map(({ after }) => ({ ...after, search_text: searchTextOf(after) }));
  // A name may pass from an erased account to a new one within a batch: it is given up before it is taken.
  await upsertRows(
    tx,
    { table, key: ['account_id'] },
    rows.filter((row) => row.status !== 'active'),
  );
  await upsertRows(
    tx,
    { table, key: ['account_id'] },
    rows.filter((row) => row.status === 'active'),
  );
}

const searchTextOf = ({ username, full_name }: AccountRow) =>
  username === null ? null : searchable(`${username} ${full_name ?? ''}`);

function step(row: AccountRow | undefined, event: Handled): AccountRow | undefined {
  switch (event.type) {
    case 'AccountRegistered':
      return row ?? registered(event);
    case 'RegistrationAbandoned':
      return row ?? empty(event.data.accountId, 'abandoned');
    case 'AccountErased':
      return erased(row, event.data.accountId);
    default:
      return row?.status === 'active' ? { ...row, ...changeBy(event) } : row;
  }
}

function erased(row: AccountRow | undefined, accountId: string): AccountRow {
  return row?.status === 'erased' ? row : { ...empty(accountId, 'erased'), registered_at: row?.registered_at ?? null };
}

type Change = Exclude<Handled, { type: 'AccountRegistered' | 'RegistrationAbandoned' | 'AccountErased' }>;

function changeBy(event: Change): Partial<AccountRow> {
  switch (event.type) {
    case 'ProfileEdited':
      return profileOf(event);
    case 'ProfilePictureChosen':
      return { profile_media_id: event.data.mediaId };
    case 'AccountMadePrivate':
      return { is_private: true };
    case 'AccountMadePublic':
      return { is_private: false };
    case 'CelebrityStatusGranted':
      return { is_celebrity: true, was_celebrity: true };
    case 'CelebrityStatusRevoked':
      return { is_celebrity: false };
    case 'AccountVerified':
      return { is_verified: true };
    case 'VerificationWithdrawn':
      return { is_verified: false };
    default:
      return unreachable(event);
  }
}

function profileOf({ data: { fullName, bio, website } }: EventOfType<'ProfileEdited'>): Partial<AccountRow> {
  return {
    ...(fullName !== undefined && { full_name: fullName }),
    ...(bio !== undefined && { bio }),
    ...(website !== undefined && { website }),
  };
}

const registered = ({ data, meta }: EventOfType<'AccountRegistered'>): AccountRow => ({
  ...empty(data.accountId, 'active'),
  username: data.username,
  full_name: data.fullName,
  is_private: data.privacy === 'private',
  registered_at: meta.occurredAt,
});

const empty = (accountId: string, status: AccountRow['status']): AccountRow => ({
  account_id: accountId,
  username: null,
  full_name: null,
  bio: null,
  website: null,
  profile_media_id: null,
  is_private: false,
  is_celebrity: false,
  was_celebrity: false,
  is_verified: false,
  status,
  registered_at: null,
  search_text: null,
});
