-- What ties a task to its fault. Needs the name `faults` of the script's key
-- where it counts.
local function letter_of(fingerprint, died_ms, id)
  return fmt('%s:%013.0f:%s', fingerprint, died_ms, id)
end

-- Tasks of a fault that wait for their retry. A fault that has made room for others is not counted any more.
local function count_retrying(fingerprint, by)
  if fingerprint ~= '-' and call('HEXISTS', faults, fingerprint) == 1 then
    call('HINCRBY', faults, fingerprint .. ':retrying', by)
  end
end
