-- An envelope: a first line `name` or `name {options}`, then the payload, which no script looks at.
local MAX_PRIORITY, PRIORITY_STEP = 2000, 4398046511104

-- The task's name, or '' for bytes that are no envelope.
local function name_of(envelope)
  return match(envelope, '^([%w_][%w_.:-]*)[ \n]') or ''
end

-- The options that differ from their defaults; an empty table where there are none, or none that can be read.
local function options_of(envelope)
  local _, space = find(envelope, '^[%w_][%w_.:-]* ')
  if not space then return {} end
  local line_end = find(envelope, '\n', space, true)
  if not line_end then return {} end
  local ok, options = pcall(cjson.decode, sub(envelope, space + 1, line_end - 1))
  if ok and type(options) == 'table' then return options end
  return {}
end

local function priority_of(envelope)
  local priority = tonumber(options_of(envelope).priority)
  if not priority or priority ~= floor(priority) or priority > MAX_PRIORITY or priority < -MAX_PRIORITY then
    return 0
  end
  return priority
end
