-- Notes who is in a room on a node, and publishes it.
-- KEYS[1] who is there (hash)
-- ARGV: node, 1 if whole, for how many ms, channel, sharded, what is published, then '+user' or '-user' each
local here, node = KEYS[1], ARGV[1]
local found = redis.call('TYPE', here)['ok']
if found ~= 'none' and found ~= 'hash' then
  error({ err = 'REJOIN foreign ' .. here })
end
local time = redis.call('TIME')
local until_ms = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[3])
local named = {}
for at = 7, #ARGV do
  local field = node .. '|' .. string.sub(ARGV[at], 2)
  if string.sub(ARGV[at], 1, 1) == '+' then
    named[field] = true
    redis.call('HSET', here, field, until_ms)
  else
    redis.call('HDEL', here, field)
  end
end
if ARGV[2] == '1' then
  for _, field in ipairs(redis.call('HKEYS', here)) do
    if string.sub(field, 1, #node + 1) == node .. '|' and not named[field] then
      redis.call('HDEL', here, field)
    end
  end
end
redis.call('PEXPIRE', here, 2 * ARGV[3])
redis.call(ARGV[5] == '1' and 'SPUBLISH' or 'PUBLISH', ARGV[4], ARGV[6])
