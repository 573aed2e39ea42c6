-- The bans that hold, each with its rest in ms, and with 0 those that were lifted; those that are over are forgotten.
-- KEYS[1] bans (hash)  ARGV: most of them
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local bans = {}
local all = redis.call('HGETALL', KEYS[1])
for at = 1, #all, 2 do
  local ends = tonumber(all[at + 1])
  local left = math.abs(ends) - now
  if left <= 0 then
    redis.call('HDEL', KEYS[1], all[at])
  elseif #bans < 2 * tonumber(ARGV[1]) then
    bans[#bans + 1] = all[at]
    bans[#bans + 1] = ends < 0 and 0 or left
  end
end
return bans
