-- The bans that hold, each with its rest in ms; those that are over are forgotten.
-- KEYS[1] bans (hash)  ARGV: most of them
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local bans = {}
local all = redis.call('HGETALL', KEYS[1])
for at = 1, #all, 2 do
  local left = tonumber(all[at + 1]) - now
  if left <= 0 then
    redis.call('HDEL', KEYS[1], all[at])
  elseif #bans < 2 * tonumber(ARGV[1]) then
    bans[#bans + 1] = all[at]
    bans[#bans + 1] = left
  end
end
return bans
