-- What an operator has seen: `id`, or `id:state`, or of a dead letter `id:dead:died`, ms.
local function split_seen(text)
  local id, state, at = match(text, '^([^:]*):?(%a*):?(%d*)$')
  return id or text, state or '', at or ''
end

-- Why a task is left alone that is not any more as it was seen; nil where it is, or where nothing was said.
local function unlike_seen(state, at, place, score)
  if place == 'prioritized' then place = 'ready' end
  if state ~= '' and place ~= state then return place .. ' now' end
  if at ~= '' and tonumber(score) ~= tonumber(at) then return 'changed' end
end
