-- A call whose answer was lost can be sent again. ARGV[3] is the call's number in its session.
local sequence = tonumber(ARGV[3])
local SESSION_SECONDS = 600

-- What this call answered before, if it is the session's last one: `replayed`. An older one gets STALE. A session that
-- cannot be read is none, as one that has expired.
local replayed
do
  local last = call('GET', session)
  if last then
    local number, answer = match(last, '^(%d+) (.*)$')
    number = tonumber(number)
    if number and sequence < number then return redis.error_reply('STALE ' .. fmt('%.0f', number)) end
    if sequence == number then
      local ok, value = pcall(cmsgpack.unpack, answer)
      if ok and value ~= nil then replayed = value end
    end
  end
end

-- Remember the answer (ids and statuses only) and return it.
local function answer(value)
  call('SET', session, ARGV[3] .. ' ' .. cmsgpack.pack(value), 'EX', SESSION_SECONDS)
  return value
end
