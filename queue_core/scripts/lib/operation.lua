-- A chunk of an operation: which tasks are next is found, and what came of them is counted, in the very script that
-- changes them, so that a runner that dies loses and doubles nothing. One at a time runs it: who has its token, until
-- that one has been silent for too long. Of the caller: the operation's HASH, `operations` and `outcomes` behind the
-- named keys, the runner's token as the last argument. Needs history.lua, ready.lua, origin.lua and position.lua where
-- it meets what they are about. A move takes several calls a chunk: `aside` are the tickets of tasks that are on their
-- way, `confirm` those that the other queue may forget; both are seen to also when the operation was paused or cancelled.
local operation, index, results = KEYS[NAMED + 1], KEYS[NAMED + 2], KEYS[NAMED + 3]
local CHUNK, LOOK_AT_MOST, SILENT_MS, ASK_AGAIN_MS, KEPT_MS, MAX_LISTED = 128, 1024, 15000, 1000, 604800000, 100
local OF_OPERATION = {'id', 'verb', 'state', 'place', 'faults', 'cursor', 'runner', 'since', 'top', 'until', 'count',
  'looked', 'done', 'heard', 'canary', 'drip', 'next', 'listed', 'left', 'aside', 'confirm', 'undoes'}
local IS_TEXT = {left = true, aside = true, confirm = true, undoes = true}
local op, runner = {}, ARGV[#ARGV]

local function told(word, come_ms, done)
  return {fmt('%.0f', now), word, come_ms and fmt('%.0f', come_ms) or '', done or 0}
end

-- Whether this chunk may be done: nil, or else what is to be answered.
local function open_chunk(verb)
  local wrong_key = check_types('hash', operation, 'zset', index, 'hash', results)
  if wrong_key then return wrong_key end
  local values = call('HMGET', operation, unpack(OF_OPERATION))
  for i, name in ipairs(OF_OPERATION) do
    op[name] = values[i] or ''
    if i > 9 and not IS_TEXT[name] then op[name] = tonumber(values[i]) or 0 end
  end
  if op.state == '' then return told('gone') end
  if op.state ~= 'running' and op.aside .. op.confirm == '' then return told(op.state) end
  if op.verb ~= verb then return redis.error_reply('WRONGVERB the operation is to ' .. op.verb) end
  if op.runner ~= runner and op.runner ~= '' and now < op.heard + SILENT_MS then
    return told('busy', op.heard + SILENT_MS)
  end
  if op.aside ~= '' or op.state ~= 'running' then return nil end
  if op.canary > 0 and op.done >= op.canary then
    local counts, why = call('HMGET', results, op.id .. ':failed', op.id .. ':ended', op.id .. ':completed'), nil
    if (tonumber(counts[1]) or 0) > 0 then
      why = 'one of the first failed again'
    elseif (tonumber(counts[2]) or 0) > 0 then
      why = 'one of the first ended without completing'
    end
    if why then
      call('HSET', operation, 'state', 'paused', 'why', why, 'canary', 0)
      return told('paused')
    end
    if (tonumber(counts[3]) or 0) < op.done then
      call('HSET', operation, 'runner', runner, 'heard', fmt('%.0f', now))
      return told('waiting', now + ASK_AGAIN_MS)
    end
    op.canary = 0
  end
  if op.drip > 0 and now < op.next then
    call('HSET', operation, 'runner', runner, 'heard', fmt('%.0f', now))
    return told('due', op.next)
  end
end

-- Whether a task came to its place after the preview, as far as can be told: an id's own time is its client's. What undoes
-- an act passes over what another has put into the trash.
local function came_later(kind, id, score)
  local at
  if kind == 'retrying' then
    local _, lines = read_history(id)
    at = tonumber(match(lines, '(%d+) [^\n]*\n$'))
  elseif kind == 'trashed' then
    local origin = origin_of(id)
    if op.undoes ~= '' and origin.act ~= op.undoes then return true end
    at = tonumber(origin.at)
  elseif kind == 'prioritized' then
    at = score % PRIORITY_STEP + EPOCH_MS
  elseif kind == 'scheduled' or kind == 'held' then
    at = id_ms(id)
    if at and at > now then return false end
  end
  return at ~= nil and at > op['until']
end

-- The next tasks of the operation, and their scores: at most those that this chunk may do. `places`: by name. `accepts`,
-- where it is given, says of an id whether it may be in this chunk: the first that may not is where the next one begins.
-- `is_meant`, where it is given, says of an id whether the operation is about it, whenever it came to its place.
local function take(places, accepts, is_meant)
  local most = math.min(CHUNK, op.count - op.looked)
  if op.canary > 0 then most = math.min(most, op.canary - op.done) end
  if op.drip > 0 then most = math.min(most, math.max(1, floor(op.drip))) end
  local ids, scores, seen, is_cut = {}, {}, 0, false
  local phase, score, member = match(op.cursor, '^(%d+) (%S*) (.*)$')
  phase, score, member = tonumber(phase) or 1, score or '', member or ''

  local function is_full() return is_cut or #ids >= most or seen >= LOOK_AT_MOST end

  -- Whether the next one can be looked at.
  local function add(kind, id, its_score)
    local is_later
    if is_meant then is_later = not is_meant(id) else is_later = came_later(kind, id, its_score) end
    is_cut = not is_later and accepts ~= nil and not accepts(id)
    if is_cut then return false end
    seen = seen + 1
    if not is_later then ids[#ids + 1], scores[#ids + 1] = id, its_score end
    return true
  end

  -- Each goes on behind the position, and says whether that was all.
  local function by_member(kind, place, from, to, pattern)
    while not is_full() do
      local asked = most - #ids
      local found = call('ZRANGEBYLEX', place, member == '' and from or '(' .. member, to, 'LIMIT', 0, asked)
      for _, one in ipairs(found) do
        local its_score, id = match(one, pattern)
        if not add(kind, id or one, its_score or '') then return false end
        member = one
      end
      if #found < asked then return true end
    end
    return false
  end

  local function by_score(kind, place, from, to)
    local at
    if score == '' then
      at = call('ZCOUNT', place, '-inf', '(' .. from)
    else
      local less, own = find_position(place, score, member)
      at = less + own
    end
    while not is_full() do
      local asked = most - #ids
      local found = call('ZRANGE', place, at, at + asked - 1, 'WITHSCORES')
      for i = 1, #found, 2 do
        if to and tonumber(found[i + 1]) > to then return true end
        if not add(kind, found[i], found[i + 1]) then return false end
        member, score = found[i], found[i + 1]
      end
      if #found < 2 * asked then return true end
      at = at + asked
    end
    return false
  end

  -- From the tail, but for what is struck out (`key`): how far an element is from there changes with what arrives, which
  -- is met again and passed over, and never with what claims remove at the head, so that none is missed.
  local function from_tail(place, key)
    local length, nearer = call('LLEN', place), tonumber(score) or 0
    while nearer < length and not is_full() do
      local elements = call('LRANGE', place, -nearer - (most - #ids), -nearer - 1)
      for i = #elements, 1, -1 do
        local id, digits = split_element(elements[i])
        local is_there = call('SISMEMBER', key, id) == 0 and (is_meant or ready_ms(id, digits) <= op['until'])
        if not is_there then
          seen = seen + 1
        elseif not add('ready', id, '') then
          break
        end
        nearer = nearer + 1
      end
    end
    score = fmt('%.0f', nearer)
    return nearer >= length
  end

  local is_over = most < 1
  if op.place == 'faults' then
    local fingerprints = {}
    for fingerprint in string.gmatch(op.faults, '%S+') do fingerprints[#fingerprints + 1] = fingerprint end
    while fingerprints[phase] and not is_full() do
      local prefix = '[' .. fingerprints[phase] .. ':'
      local from, to = prefix .. fmt('%013.0f', tonumber(op.since) or 0), prefix .. fmt('%013.0f:\255', op['until'])
      if by_member('dead', places.dead_by_fault, from, to, ':(%d+):([^:]*)$') then phase, member = phase + 1, '' end
    end
    is_over = not fingerprints[phase]
  elseif op.place == 'ready' or op.place == 'waiting' then -- what waits for a worker stands in lanes, too
    if phase == 1 and from_tail(places.ready, places.removed) then phase, score, member = 2, '', '' end
    if phase == 2 and not is_full() and by_score('prioritized', places.prioritized, '-inf') then
      phase, score, member = 3, '', ''
    end
    is_over = phase == 3
    if is_over and op.place == 'waiting' then
      is_over = not is_full() and by_member('held', places.held, '-', '+', '()/([^/]*)$')
    end
  elseif op.place == 'held' then
    is_over = by_member('held', places.held, '-', '+', '()/([^/]*)$')
  elseif places[op.place] then
    is_over = by_score(op.place, places[op.place], op.since ~= '' and op.since or '-inf', tonumber(op.top))
  else
    is_over = true -- no such place: damaged
  end
  op.cursor, op.is_over = fmt('%d %s %s', phase, score, member), is_over
  op.taken = #ids
  return ids, scores
end

-- The progress. `skipped`: id, why, of those that were taken and left alone.
local function close_chunk(skipped)
  local done, reasons = op.taken - #skipped / 2, {}
  op.looked, op.done = op.looked + op.taken, op.done + done
  for i = 1, #skipped, 2 do
    local why = skipped[i + 1]
    local reason = string.gsub(string.gsub(why, ' by [^%s;]+', ''), ' to [^%s;]+', '') -- without names
    reasons[reason] = (reasons[reason] or 0) + 1
    if op.listed < MAX_LISTED then
      op.listed = op.listed + 1
      op.left = op.left .. string.gsub(skipped[i], '%s', '?') .. ' ' .. why .. '\n'
    end
  end
  local is_over = op.aside == '' and not op.is_settling and (op.is_over or op.looked >= op.count)
  if is_over and op.looked < op.count then reasons.gone = (reasons.gone or 0) + op.count - op.looked end
  local fields = {'cursor', op.cursor, 'looked', fmt('%.0f', op.looked), 'done', fmt('%.0f', op.done), 'runner', runner,
    'heard', fmt('%.0f', now), 'canary', fmt('%.0f', op.canary), 'listed', op.listed, 'left', op.left}
  local function set(name, value) fields[#fields + 1], fields[#fields + 2] = name, value end
  for why, count in pairs(reasons) do
    set('skipped:' .. why, fmt('%.0f', count + (tonumber(call('HGET', operation, 'skipped:' .. why)) or 0)))
  end
  local word, come_ms = 'more', nil
  if is_over then
    word = 'ended'
    begin_writing()
    set('state', word)
    set('ended', fmt('%.0f', now))
    call('ZADD', index, now, op.id)
    call('PEXPIRE', operation, KEPT_MS)
  elseif op.state ~= 'running' then
    word = 'more' -- of what is on its way
  elseif op.canary > 0 and op.done >= op.canary then
    word, come_ms = 'waiting', now + ASK_AGAIN_MS
  elseif op.drip > 0 then
    word, come_ms = 'due', math.max(op.next, now - 1000) + done * 1000 / op.drip
    set('next', fmt('%.0f', come_ms))
  end
  call('HSET', operation, unpack(fields))
  return told(word, come_ms, done)
end
