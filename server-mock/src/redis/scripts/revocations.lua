-- The revocations that hold: for each what, the moment, and the rest in ms, 0 for what was given back; those that are over are
-- forgotten.
-- KEYS[1] revocations (hash)  ARGV: most of them
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local held = {}
local all = redis.call('HGETALL', KEYS[1])
for at = 1, #all, 2 do
  local moment, ends = string.match(all[at + 1], '^([%d-]+):(%d+)$')
  local left = (tonumber(ends) or 0) - now
  if left <= 0 then
    redis.call('HDEL', KEYS[1], all[at])
  elseif #held < 3 * tonumber(ARGV[1]) then
    held[#held + 1] = all[at]
    held[#held + 1] = moment == '-' and '0' or moment
    held[#held + 1] = moment == '-' and 0 or left
  end
end
return held
