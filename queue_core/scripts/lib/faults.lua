-- Failures with the same fingerprint, and the dead letters that belong to them. Needs retries.lua, and the names
-- `faults`, `faults_seen`, `dead`, `dead_by_fault`, `expiring` of the script's keys.
local MAX_FAULTS, MAX_OVERFLOWS, MAX_VERSIONS = 1000, 100, 8
local HOUR, RECENT, SLOT, MAX_RECENT = 60, 420, 5, 1200 -- minutes; characters

local function forget_fault(fingerprint)
  call('ZREM', faults_seen, fingerprint)
  call('HDEL', faults, fingerprint, fingerprint .. ':attempts', fingerprint .. ':retrying', fingerprint .. ':trashed',
    fingerprint .. ':versions', fingerprint .. ':frames', fingerprint .. ':traceback', fingerprint .. ':recent',
    fingerprint .. ':mute', fingerprint .. ':notes')
end

-- Make room for one more: the longest unseen fault without letters and retries, also in the trash, goes. Each is looked at once a call:
-- one that could not go before cannot go now. What was seen in this millisecond stays.
local oldest, next_oldest
local function make_room()
  if not oldest then
    oldest, next_oldest = call('ZRANGEBYSCORE', faults_seen, '-inf', fmt('(%.0f', now)), 1
  end
  while next_oldest <= #oldest do
    local old = oldest[next_oldest]
    next_oldest = next_oldest + 1
    if tonumber(call('ZSCORE', faults_seen, old)) < now
      and tonumber(call('HGET', faults, old .. ':retrying') or 0) <= 0
      and tonumber(call('HGET', faults, old .. ':trashed') or 0) <= 0
      and call('ZLEXCOUNT', dead_by_fault, '[' .. old .. ':', '(' .. old .. ';') == 0 then
      forget_fault(old)
      return true
    end
  end
  return false
end

-- Which fault a failure counts in: its own; where there is no room for a new one, that of its task and class; where
-- even those are too many, the one for all the rest.
local function choose_fault(fingerprint, overflow)
  if call('HEXISTS', faults, fingerprint) == 1 then return fingerprint, false end
  local count = call('ZCARD', faults_seen)
  if count < MAX_FAULTS or make_room() then return fingerprint, false end
  if call('HEXISTS', faults, overflow) == 1 or count < MAX_FAULTS + MAX_OVERFLOWS then return overflow, true end
  return 'overflow', true
end

-- Attempts by time, with what lies more than an hour back by five minutes, and nothing that lies seven hours back.
local function folded(text, minute)
  local slots, counts, parts, at = {}, {}, {}, nil
  for gap, count in string.gmatch(text, '(%d+) (%d+)') do
    at = at and at - gap or tonumber(gap)
    if at <= minute - RECENT then break end
    local slot, last = at > minute - HOUR and at or at - at % SLOT, #slots
    if slots[last] == slot then
      counts[last] = counts[last] + count
    else
      slots[last + 1], counts[last + 1] = slot, tonumber(count)
    end
  end
  for i, slot in ipairs(slots) do parts[i] = fmt('%.0f %.0f', i == 1 and slot or slots[i - 1] - slot, counts[i]) end
  return table.concat(parts, ' ')
end

-- The same with one more of now. Newest first: its minute, how many, then for each earlier minute with any how many
-- minutes before that it was, and how many. A clock that goes back by less than an hour stays in the newest minute.
local function with_one_more(text)
  local minute = floor(now / 60000)
  local newest, count, older = match(text, '^(%d+) (%d+)(.*)$')
  newest = tonumber(newest)
  if newest and newest >= minute and newest < minute + HOUR then return fmt('%.0f %.0f%s', newest, count + 1, older) end
  if not newest or newest > minute then return fmt('%.0f 1', minute) end
  text = fmt('%.0f 1 %.0f %s%s', minute, minute - newest, count, older)
  return #text > MAX_RECENT and folded(text, minute) or text
end

-- Count one failed attempt. `info`: JSON object task, class, message, frame. Returns the fault's fingerprint and
-- whether the newest traceback is that of other frames than this fault's.
local function count_failure(fingerprint, overflow, info, version, frames, traceback)
  local fault, is_overflow = choose_fault(fingerprint, overflow)
  if call('HEXISTS', faults, fault) == 0 then
    local first = fmt('"first":%.0f', now)
    if is_overflow then first = first .. ',"overflow":true' end
    call('HSET', faults, fault, sub(info, 1, -2) .. ',' .. first .. '}', fault .. ':retrying', 0)
  end
  count_in_fault(fault, 'attempts', 1)
  call('ZADD', faults_seen, now, fault)
  local versions_field, frames_field, recent_field = fault .. ':versions', fault .. ':frames', fault .. ':recent'
  local known_of = call('HMGET', faults, versions_field, frames_field, recent_field)
  local changes = {recent_field, with_one_more(known_of[3] or '')}
  if version ~= '' then
    local versions = known_of[1] or ''
    if not find('\n' .. versions .. '\n', '\n' .. version .. '\n', 1, true) then
      versions = versions == '' and version or versions .. '\n' .. version
      local _, breaks = string.gsub(versions, '\n', '')
      if breaks >= MAX_VERSIONS then versions = match(versions, '\n(.*)$') end
      changes[3], changes[4] = versions_field, versions
    end
  end
  local has_own_frames = false
  if traceback ~= '' then
    has_own_frames = is_overflow or (known_of[2] and known_of[2] ~= frames) or false
    if not has_own_frames then
      local n = #changes
      changes[n + 1], changes[n + 2], changes[n + 3], changes[n + 4] = frames_field, frames, fault .. ':traceback', traceback
    end
  end
  call('HSET', faults, unpack(changes))
  return fault, has_own_frames
end

-- The fault that a task from another queue counts in: as it was there, where this queue has none of that fingerprint.
-- Its failures were counted there. `info`: JSON object as `faults` has it; what cannot be read is said to be unknown.
local function adopt_fault(fingerprint, name, info, versions, frames, traceback, seen_ms)
  local ok, about = pcall(cjson.decode, info)
  if not ok or type(about) ~= 'table' or type(about.task) ~= 'string' or type(about.class) ~= 'string' then
    about = {task = name, class = 'Unknown', message = '', frame = '', first = now}
    info = cjson.encode(about)
  end
  local overflow = sub(redis.sha1hex(about.task .. '\n' .. about.class .. '\noverflow'), 1, 12)
  local fault, is_overflow = choose_fault(fingerprint, overflow)
  if call('HEXISTS', faults, fault) == 0 then
    if is_overflow then
      about.overflow = true
      info = cjson.encode(about)
    end
    call('HSET', faults, fault, info, fault .. ':retrying', 0)
    if versions ~= '' then call('HSET', faults, fault .. ':versions', versions) end
    if traceback ~= '' then call('HSET', faults, fault .. ':frames', frames, fault .. ':traceback', traceback) end
  end
  call('ZADD', faults_seen, 'GT', fmt('%.0f', tonumber(seen_ms) or now), fault)
  return fault
end

local function bury(id, fingerprint, died_ms)
  died_ms = died_ms or now
  call('ZADD', dead, fmt('%.0f', died_ms), id)
  call('ZADD', dead_by_fault, 0, letter_of(fingerprint, died_ms, id))
  call('ZREM', expiring, id) -- it waits for a person, who decides
end

-- So many have become dead letters now: when the last one did is known also when it is a dead letter no more.
local function count_deaths(n)
  if n == 0 then return end
  count('died', n)
  call('HSET', control, 'died_at', fmt('%.0f', now))
end
