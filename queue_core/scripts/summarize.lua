#!lua flags=no-writes,allow-oom
-- Reads where tasks are and what a list shows of them, in bounded bytes; also of ended ones that left a record.
-- KEYS control HASH, tasks HASH, history HASH, leases ZSET, running HASH, ready LIST, prioritized ZSET, scheduled
-- ZSET, retrying ZSET, held ZSET, blocked ZSET, dead ZSET, trash ZSET, trashed HASH, then a record HASH for each task,
-- in order
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] bytes of an envelope, at most   ARGV[4] '1': all of the history, '':
-- its last entry, but for `moved`   ARGV[5] how many elements at each end of `ready` are searched for ready times   then the ids
-- Returns: now ms, then a list for each task that is known: id, place or end (`ready` when it is nowhere else), score
-- there or time of the end, member there, what else is known of it there (running: its claim, trashed: its JSON object,
-- ready: `=` and the ready time's digits where it was found, ended: its worker), the envelope's first bytes or '',
-- length of the envelope or -1, first line of the history or '', entries.
-- include begin envelope elements ready places known
-- check keys

local AT_ONCE = 10 -- envelopes that are in memory together
local max_bytes, is_whole, look_at = tonumber(ARGV[3]), ARGV[4] == '1', tonumber(ARGV[5])

local function entries_of(text)
  if text == '' then return '', '' end
  local line, lines = match(text, '^([^\n]*)\n?(.*)$')
  if is_whole then return line, lines end
  local last = match(lines, '([^\n]*)\n?$')
  while find(last, '^%d+ moved ') and #last + 1 < #lines do -- that says nothing of why it failed
    lines = sub(lines, 1, -#last - 2)
    last = match(lines, '([^\n]*)\n?$')
  end
  return line, last
end

-- Ready times of the tasks at both ends of the list, read at most once.
local digits_of
local function find_digits(id)
  if not digits_of then
    digits_of = {}
    for _, range in ipairs({{0, look_at - 1}, {-look_at, -1}}) do
      for _, element in ipairs(look_at > 0 and call('LRANGE', ready, range[1], range[2]) or {}) do
        local found, digits = split_element(element)
        digits_of[found] = digits
      end
    end
  end
  return digits_of[id] and '=' .. digits_of[id] or ''
end

local has_blocked = call('ZCARD', blocked) > 0
local function describe(id, head, length, place, score, member, past)
  if place == 'ready' then
    local waits = has_blocked and call('ZSCORE', blocked, id)
    if waits then place, score = 'blocked', waits end
  end
  local about = ''
  if place == 'ready' then
    if length < 0 then return nil end
    about = find_digits(id)
  elseif place == 'running' then
    about = call('HGET', running, id) or ''
  elseif place == 'trashed' then
    about = call('HGET', trashed, id) or ''
  end
  local line, entries = entries_of(past or '')
  return {id, place, score, member, about, head, length, line, entries}
end

local function describe_record(id, key)
  if call('TYPE', key).ok ~= 'hash' then return nil end
  local record = call('HMGET', key, 'state', 'at', 'worker', 'envelope', 'bytes', 'history')
  local line, entries = entries_of(record[6] or '')
  return {id, record[1] or '', record[2] or '', id, record[3] or '', sub(record[4] or '', 1, max_bytes),
    tonumber(record[5]) or -1, line, entries}
end

local reply, ids = {fmt('%.0f', now)}, {}
for i = 6, #ARGV do ids[i - 5] = ARGV[i] end
if #ids == 0 then return reply end
local heads, lengths = {}, {}
for first = 1, #ids, AT_ONCE do
  local envelopes = call('HMGET', tasks, unpack(ids, first, math.min(first + AT_ONCE - 1, #ids)))
  for i, envelope in ipairs(envelopes) do
    heads[first + i - 1] = envelope and sub(envelope, 1, max_bytes) or ''
    lengths[first + i - 1] = envelope and #envelope or -1
  end
end
local places, pasts = places_of(ids, heads), call('HMGET', history, unpack(ids))
for i, id in ipairs(ids) do
  local place = places[i]
  reply[#reply + 1] = describe(id, heads[i], lengths[i], place[1], place[2], place[3], pasts[i])
    or describe_record(id, KEYS[NAMED + i])
end
return reply
