#!lua name=shutterlog_VERSION

-- Bounded indexes: sorted sets that are absent or complete.
--
-- The lowest member of a complete index is its floor: '!' with score 0 as long as the index was never cut, else '!' plus
-- the id of the newest entry that a cut took away, with that entry's score. What lies at or below the floor is unknown;
-- above it nothing is missing, and an index that has a floor has at least `cap` entries above it. The floor also keeps a
-- complete index alive that has no entry. '!' sorts before every id, so at equal scores an entry lies above its floor.
-- A string at the key of an index is a lease: somebody computes the index, and nobody changed it meanwhile. Its value is
-- the token of who does.

local FLOOR = 33

-- Writers name their lanes and the epochs of those. The registry knows the newest epoch of each lane; after Redis was
-- emptied it knows none, and a writer has to prove again that the lane is still its own.
local function refusal_of(registry, lane, epoch)
  local known = redis.call('HGET', registry, lane)
  if not known then return redis.error_reply('NOEPOCH no epoch is registered for lane ' .. lane) end
  if tonumber(known) > tonumber(epoch) then
    return redis.error_reply('STALE lane ' .. lane .. ' has epoch ' .. known .. ', not ' .. epoch)
  end
  if tonumber(known) < tonumber(epoch) then return redis.error_reply('NOEPOCH lane ' .. lane .. ' is registered with epoch ' .. known) end
  return nil
end

-- The same for `count` lanes with their epochs, from args[first] on.
local function refusal(registry, args, first, count)
  for i = first, first + 2 * count - 2, 2 do
    local refused = refusal_of(registry, args[i], args[i + 1])
    if refused then return refused end
  end
  return nil
end

-- The rank of the floor. It is the lowest member but for entries that came in below it since the last cut.
local function floor_rank(key, size, cap)
  local lowest = redis.call('ZRANGE', key, 0, math.max(size - cap, 0))
  for i = 1, #lowest do
    if string.byte(lowest[i]) == FLOOR then return i - 1, lowest[i] end
  end
  return nil
end

-- Cuts an index to its `cap` newest entries and puts the floor where the cut was.
local function cut(key, size, cap)
  local rank = size - cap - 1
  local boundary = redis.call('ZRANGE', key, rank, rank, 'WITHSCORES')
  if string.byte(boundary[1]) == FLOOR then
    if rank > 0 then redis.call('ZREMRANGEBYRANK', key, 0, rank - 1) end
    return
  end
  redis.call('ZREMRANGEBYRANK', key, 0, rank)
  redis.call('ZADD', key, boundary[2], '!' .. boundary[1])
end

-- Whether an index that lost entries still holds its `cap` newest ones.
local function still_complete(key, cap)
  local size = redis.call('ZCARD', key)
  local rank, floor = floor_rank(key, size, cap)
  if not rank then return false end
  return floor == '!' or size - 1 - rank >= cap
end

-- Only readers renew a lifetime, so what is left of it tells when an index was last read.
local function is_idle(key, below)
  local left = redis.call('PTTL', key)
  return left >= 0 and left < below
end

local function is_lease(key)
  return redis.call('TYPE', key)['ok'] == 'string'
end

local function holds_lease(key, token)
  return is_lease(key) and redis.call('GET', key) == token
end

-- Removes ids, in portions that fit on the stack of Lua.
local function remove(key, ids)
  local removed = 0
  for from = 1, #ids, 1000 do
    removed = removed + redis.call('ZREM', key, unpack(ids, from, math.min(from + 999, #ids)))
  end
  return removed
end

-- KEYS: registry, then the indexes. ARGV: how many lanes write, lane and epoch of each, cap, most members before a cut,
-- the remaining lifetime in ms below which an index is made absent instead of changed (0: never), then segments of three
-- that take the indexes in order: how many indexes, their additions (score, id, score, id, ...) and their removals (ids),
-- each as a JSON array of strings, or empty. One string for a segment costs its writer far less than one for each entry.
-- Answers: indexes changed, then the numbers (from 1) of those that were unlinked because they are no longer complete.
local function apply(keys, args)
  local lanes = tonumber(args[1])
  local refused = refusal(keys[1], args, 2, lanes)
  if refused then return refused end
  local at, key_at = 2 * lanes + 5, 2
  local cap, most, idle_below = tonumber(args[at - 3]), tonumber(args[at - 2]), tonumber(args[at - 1])
  local changed, incomplete = 0, {}
  while at <= #args do
    local indexes = tonumber(args[at])
    local add = args[at + 1] ~= '' and { 'ZADD', '', unpack(cjson.decode(args[at + 1])) }
    local removals = args[at + 2] ~= '' and cjson.decode(args[at + 2])
    at = at + 3
    for i = key_at, key_at + indexes - 1 do
      local key = keys[i]
      -- Fails on a lease, the one string among the indexes.
      local size = redis.pcall('ZCARD', key)
      if type(size) ~= 'number' or (size > 0 and idle_below > 0 and is_idle(key, idle_below)) then
        redis.call('UNLINK', key)
      elseif size > 0 then
        changed = changed + 1
        if add then
          add[2] = key
          size = size + redis.call(unpack(add))
          if size > most then cut(key, size, cap) end
        end
        if removals and remove(key, removals) > 0 and not still_complete(key, cap) then
          redis.call('UNLINK', key)
          incomplete[#incomplete + 1] = i - 1
        end
      end
    end
    key_at = key_at + indexes
  end
  table.insert(incomplete, 1, changed)
  return incomplete
end

-- KEYS: registry, then the indexes. ARGV: lanes and epochs. Makes the indexes absent and ends the leases on them.
local function discard(keys, args)
  local refused = refusal(keys[1], args, 1, #args / 2)
  if refused then return refused end
  return redis.call('UNLINK', unpack(keys, 2))
end

-- KEYS: registry, the withheld lanes of a kind of indexes. ARGV: lanes and epochs. While a lane is among them, indexes of the
-- kind are not made. Answers how many of the lanes were not among them before.
local function withhold(keys, args)
  local refused = refusal(keys[1], args, 1, #args / 2)
  if refused then return refused end
  local added = 0
  for i = 1, #args, 2 do added = added + redis.call('SADD', keys[2], args[i]) end
  return added
end

-- The same keys and arguments: the lanes no longer keep indexes of the kind from being made.
local function permit(keys, args)
  local refused = refusal(keys[1], args, 1, #args / 2)
  if refused then return refused end
  for i = 1, #args, 2 do redis.call('SREM', keys[2], args[i]) end
  return 1
end

-- KEYS: index, the withheld lanes of its kind. ARGV: token, lifetime of the lease in ms. Answers 'taken', 'busy' (somebody
-- else computes), 'present', or 'withheld' (nobody may make it now).
local function lease(keys, args)
  if redis.call('EXISTS', keys[2]) == 1 then return 'withheld' end
  if redis.call('SET', keys[1], args[1], 'NX', 'PX', args[2]) then return 'taken' end
  -- The answer to a first try may have come too late for its caller, who then tries again.
  if holds_lease(keys[1], args[1]) then return 'taken' end
  return is_lease(keys[1]) and 'busy' or 'present'
end

-- KEYS: index. ARGV: token, lifetime of the index in ms, score and member of the floor, then score and id of each entry.
-- Writes a computed index if the lease still stands: 1, else 0.
local function fill(keys, args)
  local key = keys[1]
  if not holds_lease(key, args[1]) then return 0 end
  redis.call('UNLINK', key)
  for first = 3, #args, 2000 do
    redis.call('ZADD', key, unpack(args, first, math.min(first + 1999, #args)))
  end
  redis.call('PEXPIRE', key, args[2])
  return 1
end

-- KEYS: index. ARGV: token. Gives a lease up.
local function release(keys, args)
  return holds_lease(keys[1], args[1]) and redis.call('UNLINK', keys[1]) or 0
end

-- KEYS: indexes. ARGV: most entries, new lifetime in ms (0 leaves it) for those that have less than so many ms left. For
-- each: the newest entries as one string of ids and scores between spaces, '?' while somebody computes it, nil when it is
-- absent. A key of another type is an error.
local function newest(keys, args)
  local answers, renewed, foreign = {}, false, nil
  for i = 1, #keys do
    local found = redis.pcall('ZREVRANGE', keys[i], 0, args[1] - 1, 'WITHSCORES')
    local last = found[#found - 1]
    if found['err'] then
      -- A lease is a string; anything else is none of ours and must not pass for one.
      if redis.call('TYPE', keys[i]).ok ~= 'string' then foreign = found end
      answers[i] = '?'
    elseif not last then
      answers[i] = false
    else
      if string.byte(last) == FLOOR then
        found[#found] = nil
        found[#found] = nil
      end
      answers[i] = table.concat(found, ' ')
      if args[2] ~= '0' and redis.call('PTTL', keys[i]) < tonumber(args[3]) then
        redis.call('PEXPIRE', keys[i], args[2])
        renewed = true
      end
    end
  end
  -- A client that is told of changes to what it reads is not told of its own, and no longer of later ones: a last look at
  -- the keys has Redis remember the client again.
  if renewed then redis.call('EXISTS', unpack(keys)) end
  return foreign or answers
end

-- KEYS: registry. ARGV: for each lane its number, epoch and position. Raises the epochs of the lanes and sets their marks;
-- when one epoch is lower than the known one, all are refused.
local function take_over(keys, args)
  for i = 1, #args, 3 do
    local known = redis.call('HGET', keys[1], args[i])
    if known and tonumber(known) > tonumber(args[i + 1]) then
      return redis.error_reply('STALE lane ' .. args[i] .. ' has epoch ' .. known .. ', not ' .. args[i + 1])
    end
  end
  for i = 1, #args, 3 do redis.call('HSET', keys[1], args[i], args[i + 1], args[i] .. ':mark', args[i + 2]) end
  return 'OK'
end

-- KEYS: registry. ARGV: for each lane its number, epoch, the mark as the writer left it, and the next one. A mark is the
-- position up to which a lane's effects are in this Redis. A mark that stands elsewhere says that Redis came back with
-- an older state: 'elsewhere', and nothing is written.
local function mark(keys, args)
  for i = 1, #args, 4 do
    local refused = refusal_of(keys[1], args[i], args[i + 1])
    if refused then return refused end
    if redis.call('HGET', keys[1], args[i] .. ':mark') ~= args[i + 2] then return 'elsewhere' end
  end
  for i = 1, #args, 4 do redis.call('HSET', keys[1], args[i] .. ':mark', args[i + 3]) end
  return 'marked'
end

redis.register_function('index_apply_VERSION', apply)
redis.register_function('index_discard_VERSION', discard)
redis.register_function('index_withhold_VERSION', withhold)
redis.register_function('index_permit_VERSION', permit)
redis.register_function('index_lease_VERSION', lease)
redis.register_function('index_fill_VERSION', fill)
redis.register_function('index_release_VERSION', release)
redis.register_function('index_newest_VERSION', newest)
redis.register_function('lane_take_over_VERSION', take_over)
redis.register_function('lane_mark_VERSION', mark)
