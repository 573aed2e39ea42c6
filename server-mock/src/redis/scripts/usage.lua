-- Adds up what a user has used of the limits that all nodes share.
-- KEYS[1] what is used (hash: 'n|' and a node to its connections and until when they count; 'sends' and 'joins' to
--         what is not free again yet, in thousandths, and when that was so)
-- ARGV: node, its connections, for how many ms they count, then for sends and for joins: how many were used since the
--       last report, how many thousandths are free again after a second
-- Returns: connections on other nodes, sends and joins in thousandths
local key = KEYS[1]
local found = redis.call('TYPE', key)['ok']
if found ~= 'none' and found ~= 'hash' then
  error({ err = 'REJOIN foreign ' .. key })
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local own = 'n|' .. ARGV[1]
local lasts = tonumber(ARGV[3])

local remote = 0
local fields = redis.call('HGETALL', key)
for at = 1, #fields, 2 do
  local field = fields[at]
  if string.sub(field, 1, 2) == 'n|' and field ~= own then
    local count, until_ms = string.match(fields[at + 1], '^(%d+) (%d+)$')
    if count and tonumber(until_ms) > now then
      remote = remote + tonumber(count)
    else
      redis.call('HDEL', key, field)
    end
  end
end
if ARGV[2] == '0' then
  redis.call('HDEL', key, own)
else
  redis.call('HSET', key, own, string.format('%d %.0f', ARGV[2], now + lasts))
end

local function add(field, used, rate)
  local level = 0
  local was, at = string.match(redis.call('HGET', key, field) or '', '^(%d+) (%d+)$')
  if was then
    -- A clock that was set back frees nothing, and what was noted in the future counts from now.
    level = math.max(0, tonumber(was) - math.max(0, now - tonumber(at)) * rate / 1000)
  end
  level = level + used * 1000
  if level > 0 and rate > 0 then
    redis.call('HSET', key, field, string.format('%.0f %.0f', level, now))
    lasts = math.max(lasts, level / rate * 1000)
  else
    level = 0
    redis.call('HDEL', key, field)
  end
  return string.format('%.0f', level)
end
local sends = add('sends', tonumber(ARGV[4]), tonumber(ARGV[5]))
local joins = add('joins', tonumber(ARGV[6]), tonumber(ARGV[7]))
redis.call('PEXPIRE', key, string.format('%.0f', math.min(lasts, 86400000)))
return { remote, sends, joins }
