#!lua flags=no-writes,allow-oom
-- Reads one slice of a queue for `fsck`: where each of its ids stands, all at one moment. Walks, in slices of a bounded size.
-- KEYS control HASH, tasks HASH, ready LIST, removed SET, prioritized ZSET, scheduled ZSET, retrying ZSET, leases ZSET,
-- running HASH, held ZSET, blocked ZSET, dead ZSET, dead_by_fault ZSET, trash ZSET, trashed HASH, cancelling HASH,
-- expiring ZSET, history HASH
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] what to walk: `ready`, another of the keys above by its name, or
-- `ids`   ARGV[4] cursor, '0' at first (of `ready`: an index)   ARGV[5] about how many, of `ready`: how many
-- then the ids, where they are given
-- Returns: next cursor or '0', then id, letters, fault for each id of the slice. Letters, where the id stands: Q ready
-- (only said of a walk of it), M removed, P prioritized, S scheduled, R retrying, L leases, U running, H held, B blocked,
-- D dead, F dead_by_fault, X trash, Y trashed, C cancelling, E expiring, N history; T tasks. Fault: that of its history,
-- which D and R are under.
-- include begin envelope ready history retries known
-- check keys

local walk, cursor, count = ARGV[3], ARGV[4], tonumber(ARGV[5])
local SORTED = {{'P', prioritized}, {'S', scheduled}, {'R', retrying}, {'L', leases}, {'B', blocked}, {'X', trash},
  {'E', expiring}}
local HASHED = {{'T', tasks}, {'U', running}, {'Y', trashed}, {'C', cancelling}, {'N', history}}

local function examine(id)
  local letters = {}
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
    if call('ZSCORE', dead_by_fault, letter_of(counters.fault, died, id)) then letters[#letters + 1] = 'F' end
  end
  local name = name_of(call('HGET', tasks, id) or '')
  for _, lane in ipairs({'name:' .. name, 'unknown:' .. name}) do
    if call('ZSCORE', held, lane .. '/' .. id) then letters[#letters + 1] = 'H' end
  end
  return table.concat(letters), counters.fault
end

local reply, found = {'0'}, {}
if walk == 'ids' then
  for i = 6, #ARGV do found[#found + 1] = {ARGV[i], ''} end
elseif walk == 'ready' then
  local elements = call('LRANGE', ready, cursor, cursor + count - 1)
  for _, element in ipairs(elements) do found[#found + 1] = {split_element(element), 'Q'} end
  if #elements == count then reply[1] = fmt('%.0f', cursor + count) end
else
  local function scan(command, key, step, id_of)
    local page = call(command, key, cursor, 'COUNT', count)
    reply[1] = page[1]
    for i = 1, #page[2], step do
      local id, letter = id_of(page[2][i])
      if id then found[#found + 1] = {id, letter or ''} end
    end
  end
  local function plain(id) return byte(id) ~= 58 and id or nil end
  local function last_part(separator, letter)
    return function(member) return match(member, '([^' .. separator .. ']*)$'), letter end
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
    held = {'ZSCAN', held, 2, last_part('/', 'H')}, dead_by_fault = {'ZSCAN', dead_by_fault, 2, last_part(':', 'F')},
  }
  local chosen = walks[walk]
  if not chosen then return redis.error_reply('ERR there is nothing to walk under ' .. walk) end
  scan(unpack(chosen))
end
for _, item in ipairs(found) do
  local letters, fault = examine(item[1])
  if item[2] ~= '' and not find(letters, item[2], 1, true) then letters = letters .. item[2] end
  reply[#reply + 1] = item[1]
  reply[#reply + 1] = letters
  reply[#reply + 1] = fault
end
return reply
