-- Begins the scripts of sessions.
local function expect(kinds)
  for at, kind in ipairs(kinds) do
    local found = redis.call('TYPE', KEYS[at])['ok']
    if found ~= 'none' and found ~= kind then
      error({ err = 'REJOIN foreign ' .. KEYS[at] })
    end
  end
end

-- In how many ms from 1970, as a score.
local function time_in(ms)
  local time = redis.call('TIME')
  return string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000) + ms)
end

