-- Figures: what was counted in some time. Needs begin.lua, and the name `stats` of the script's key.
local LARGEST_NUMBER = 2 ^ 53

local function whole(value)
  value = tonumber(value)
  return value and value == floor(value) and value > -LARGEST_NUMBER and value < LARGEST_NUMBER and value or nil
end

-- The functions that work on figures, made only where they are needed: a call that merely counts is not to pay for them.
local function make_figures()
  -- Their order is that of stored figures: new ones go to the end.
  local COUNTERS = {'enqueued', 'completed', 'failed', 'retried', 'died', 'discarded', 'expired', 'cancelled', 'crashed',
    'requeued', 'deleted', 'imported', 'exported', 'repaired',
    'recalled'}
  local BUCKETS = 28
  local figures = {COUNTERS = COUNTERS, PLACES = {}}
  for place, what in ipairs(COUNTERS) do figures.PLACES[what] = place end

  -- The counters in their order, then the counts of a histogram's buckets of the wait, then of the run.
  function figures.of(parts)
    local made = {}
    for part = 1, 3 do
      local list = {}
      for i = 1, part == 1 and #COUNTERS or BUCKETS do
        list[i] = type(parts[part]) == 'table' and whole(parts[part][i]) or 0
      end
      made[part] = list
    end
    return made
  end

  -- The books as they stand now. A histogram is one field of them: its buckets' counts, with spaces between.
  function figures.of_books()
    local values = call('HMGET', stats, 'wait', 'run', unpack(COUNTERS))
    local parts = {{}, {}, {}}
    for i = 1, #COUNTERS do parts[1][i] = values[i + 2] end
    for part = 2, 3 do
      for number in string.gmatch(values[part - 1] or '', '[^ ]+') do parts[part][#parts[part] + 1] = number end
    end
    return figures.of(parts)
  end

  -- Without the zeros at the end of each list.
  function figures.trimmed(of)
    local parts = {}
    for part = 1, 3 do
      local list, length = {}, 0
      for i, number in ipairs(of[part]) do
        if number ~= 0 then length = i end
      end
      for i = 1, length do list[i] = of[part][i] end
      parts[part] = list
    end
    return parts
  end

  function figures.pack(of)
    return cmsgpack.pack(figures.trimmed(of))
  end

  -- Nil for what cannot be read.
  function figures.unpack(packed)
    local ok, parts = pcall(cmsgpack.unpack, packed or '')
    return ok and type(parts) == 'table' and figures.of(parts) or nil
  end

  function figures.add(to, more, sign)
    for part = 1, 3 do
      for i, number in ipairs(more[part]) do to[part][i] = to[part][i] + (sign or 1) * number end
    end
    return to
  end

  -- The same with what is stored, which may be nothing, or anything.
  function figures.add_stored(to, packed)
    local stored = figures.unpack(packed)
    return stored and figures.add(to, stored) or to
  end

  return figures
end
