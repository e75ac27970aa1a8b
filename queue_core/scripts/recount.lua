#!lua flags=allow-oom
-- The faults count again how many of their tasks wait for a retry, and how many lie in the trash. For `fsck`: walks the
-- whole of `retrying`, `trash` and `faults_seen`, so that the counts are those of one moment.
-- KEYS control HASH, session STRING, retrying ZSET, trash ZSET, trashed HASH, history HASH, faults HASH, faults_seen ZSET
-- ARGV[1] format   ARGV[2] now, ms or ''   ARGV[3] sequence number   ARGV[4] '1': write, '': only look
-- Returns three for each counter that is wrong: `fingerprint:retrying` or `fingerprint:trashed`, what it says, what it is
-- to say.
-- include begin session history origin known
if replayed then return replayed end
-- check keys

local counted = {}
local function add(id, what)
  local counter = read_history(id).fault .. ':' .. what
  counted[counter] = (counted[counter] or 0) + 1
end
for _, id in ipairs(call('ZRANGE', retrying, 0, -1)) do add(id, 'retrying') end
for _, id in ipairs(call('ZRANGE', trash, 0, -1)) do
  local from = origin_of(id).from
  if from == 'dead' or from == 'retrying' then add(id, 'trashed') end
end
local wrong_ones = {}
for _, fault in ipairs(call('ZRANGE', faults_seen, 0, -1)) do
  for _, what in ipairs({'retrying', 'trashed'}) do
    local counter = fault .. ':' .. what
    local says, is = call('HGET', faults, counter) or '0', counted[counter] or 0
    if tonumber(says) ~= is then
      wrong_ones[#wrong_ones + 1] = counter
      wrong_ones[#wrong_ones + 1] = says
      wrong_ones[#wrong_ones + 1] = fmt('%.0f', is)
    end
  end
end
if ARGV[4] == '1' and #wrong_ones > 0 then
  begin_writing()
  for i = 1, #wrong_ones, 3 do call('HSET', faults, wrong_ones[i], wrong_ones[i + 2]) end
end
return answer(wrong_ones)
