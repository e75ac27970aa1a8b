#!lua flags=no-writes,allow-oom
-- Reads one slice of a queue for `fsck`: where each of its ids stands, all at one moment. Walks, in slices of a bounded size.
-- KEYS control HASH, tasks HASH, ready LIST, removed SET, prioritized ZSET, scheduled ZSET, retrying ZSET, leases ZSET,
-- running HASH, held ZSET, blocked ZSET, dead ZSET, dead_by_fault ZSET, trash ZSET, trashed HASH, cancelling HASH,
-- expiring ZSET, history HASH
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] what to walk: `ready`, another of the keys above by its name, or
-- `ids`   ARGV[4] cursor, '0' at first (of `ready`: how many elements before the last one)   ARGV[5] about how many, of `ready`: how many
-- then the ids, where they are given; of `ready`: ARGV[6] the element that was the last one at first, '' at first
-- Returns: next cursor or '0', then id, letters, member for each id of the slice. Letters, where the id stands: Q ready
-- (only said of a walk of it), M removed, P prioritized, S scheduled, R retrying, L leases, U running, H held, B blocked,
-- D dead, F dead_by_fault, X trash, Y trashed, C cancelling, E expiring, N history; T tasks; h and f: it was met in
-- `held` or `dead_by_fault` under a member that its own data does not lead to. That member; of `ready` the element; or ''.
-- include begin envelope elements ready history retries known
-- check keys

local walk, cursor, count = ARGV[3], ARGV[4], tonumber(ARGV[5])
local SORTED = {{'P', prioritized}, {'S', scheduled}, {'R', retrying}, {'L', leases}, {'B', blocked}, {'X', trash},
  {'E', expiring}}
local HASHED = {{'T', tasks}, {'U', running}, {'Y', trashed}, {'C', cancelling}, {'N', history}}

-- `met`: the member of `held` or `dead_by_fault` under which it was met, or ''. Returns letters, and that if it is not
-- the id's own.
local function examine(id, met)
  local letters, foreign = {}, met
  for _, place in ipairs(SORTED) do
    if call('ZSCORE', place[2], id) then letters[#letters + 1] = place[1] end
  end
  for _, place in ipairs(HASHED) do
    if call('HEXISTS', place[2], id) == 1 then letters[#letters + 1] = place[1] end
  end
  if call('SISMEMBER', removed, id) == 1 then letters[#letters + 1] = 'M' end
  local counters = read_history(id)
  local died = call('ZSCORE', dead, id)
  if died then
    letters[#letters + 1] = 'D'
    local own = letter_of(counters.fault, died, id)
    if call('ZSCORE', dead_by_fault, own) then letters[#letters + 1] = 'F' end
    if met == own then foreign = '' end
  end
  local name = name_of(call('HGET', tasks, id) or '')
  for _, lane in ipairs({'name:' .. name, 'unknown:' .. name}) do
    local own = lane .. '/' .. id
    if call('ZSCORE', held, own) then letters[#letters + 1] = 'H' end
    if met == own then foreign = '' end
  end
  return table.concat(letters), foreign
end

local reply, found = {'0'}, {}
if walk == 'ids' then
  for i = 6, #ARGV do found[#found + 1] = {ARGV[i], '', ''} end
elseif walk == 'ready' then
  -- Backwards from the last element: claims take from the head and hide none, what has come behind it is not met.
  local at = ARGV[6] == '' and call('LLEN', ready) - 1 or call('LPOS', ready, ARGV[6], 'RANK', -1)
  local last = (at or -1) - cursor
  local elements = last < 0 and {} or call('LRANGE', ready, math.max(last - count + 1, 0), last)
  for i = #elements, 1, -1 do
    local id = split_element(elements[i])
    found[#found + 1] = {id, 'Q', elements[i]}
  end
  if #elements == count then reply[1] = fmt('%.0f', cursor + count) end
else
  local function scan(command, key, step, id_of)
    local page = call(command, key, cursor, 'COUNT', count)
    reply[1] = page[1]
    for i = 1, #page[2], step do
      local id, letter, member = id_of(page[2][i])
      if id then found[#found + 1] = {id, letter or '', member or ''} end
    end
  end
  local function plain(id) return byte(id) ~= 58 and id or nil end
  local function last_part(separator, letter)
    return function(member) return match(member, '([^' .. separator .. ']*)$'), letter, member end
  end
  local walks = {
    tasks = {'HSCAN', tasks, 2, plain}, running = {'HSCAN', running, 2, plain},
    trashed = {'HSCAN', trashed, 2, plain}, cancelling = {'HSCAN', cancelling, 2, plain},
    removed = {'SSCAN', removed, 1, plain},
    history = {'HSCAN', history, 2, function(id) return byte(id) == 58 and sub(id, 2) or id end},
    prioritized = {'ZSCAN', prioritized, 2, plain}, scheduled = {'ZSCAN', scheduled, 2, plain},
    retrying = {'ZSCAN', retrying, 2, plain}, leases = {'ZSCAN', leases, 2, plain},
    blocked = {'ZSCAN', blocked, 2, plain}, dead = {'ZSCAN', dead, 2, plain}, trash = {'ZSCAN', trash, 2, plain},
    expiring = {'ZSCAN', expiring, 2, plain},
    held = {'ZSCAN', held, 2, last_part('/', 'h')}, dead_by_fault = {'ZSCAN', dead_by_fault, 2, last_part(':', 'f')},
  }
  local chosen = walks[walk]
  if not chosen then return redis.error_reply('ERR there is nothing to walk under ' .. walk) end
  scan(unpack(chosen))
end
for _, item in ipairs(found) do
  local id, letter = item[1], item[2]
  local letters, foreign = examine(id, item[3])
  if letter == 'Q' or foreign ~= '' then letters = letters .. letter end
  reply[#reply + 1] = id
  reply[#reply + 1] = letters
  reply[#reply + 1] = foreign
end
return reply
