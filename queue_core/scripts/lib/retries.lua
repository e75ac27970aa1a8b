-- What ties a task to its fault. Needs the name `faults` of the script's key
-- where it counts.
local function letter_of(fingerprint, died_ms, id)
  return fmt('%s:%013.0f:%s', fingerprint, died_ms, id)
end

-- Tasks of a fault that wait for their retry (`retrying`), or lie in the trash and waited or were dead (`trashed`): a
-- fault that has any makes room for no other. One that has made room for others is not counted any more.
local function count_in_fault(fingerprint, what, by)
  if fingerprint ~= '-' and call('HEXISTS', faults, fingerprint) == 1 then
    local field = fingerprint .. ':' .. what
    local counted = redis.pcall('HINCRBY', faults, field, by)
    -- What is no number begins again.
    if type(counted) == 'table' then call('HSET', faults, field, math.max(by, 0)) end
  end
end
