-- Writes back what a node knows and Redis has lost, and tells the other nodes.
-- KEYS[1] bans or revocations (hash)
-- ARGV: channel, then of each: field, value before the end, ms until the end, what is published
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local restored = 0
for at = 2, #ARGV, 4 do
  local value = ARGV[at + 1] .. string.format('%.0f', now + ARGV[at + 2])
  if redis.call('HSETNX', KEYS[1], ARGV[at], value) == 1 then
    restored = restored + 1
    redis.call('PUBLISH', ARGV[1], ARGV[at + 3])
  end
end
return restored
