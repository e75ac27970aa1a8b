-- Failures with the same fingerprint, and the dead letters that belong to them. Needs retries.lua, and the names
-- `faults`, `faults_seen`, `dead`, `dead_by_fault`, `expiring` of the script's keys.
local MAX_FAULTS, MAX_OVERFLOWS, MAX_VERSIONS = 1000, 100, 8

local function forget_fault(fingerprint)
  call('ZREM', faults_seen, fingerprint)
  call('HDEL', faults, fingerprint, fingerprint .. ':attempts', fingerprint .. ':retrying', fingerprint .. ':trashed',
    fingerprint .. ':versions', fingerprint .. ':frames', fingerprint .. ':traceback')
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
  if version ~= '' then
    local versions = call('HGET', faults, fault .. ':versions') or ''
    if not find('\n' .. versions .. '\n', '\n' .. version .. '\n', 1, true) then
      versions = versions == '' and version or versions .. '\n' .. version
      local _, breaks = string.gsub(versions, '\n', '')
      if breaks >= MAX_VERSIONS then versions = match(versions, '\n(.*)$') end
      call('HSET', faults, fault .. ':versions', versions)
    end
  end
  local has_own_frames = false
  if traceback ~= '' then
    local known_frames = call('HGET', faults, fault .. ':frames')
    has_own_frames = is_overflow or (known_frames and known_frames ~= frames) or false
    if not has_own_frames then
      call('HSET', faults, fault .. ':frames', frames, fault .. ':traceback', traceback)
    end
  end
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
