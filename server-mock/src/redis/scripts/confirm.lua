-- Enough replicas have a room's entries up to this one: they may be shown, and are published.
-- ARGV: name, epoch, number, channel, sharded
-- Answers 1, or 0 if the room has begun anew since, or has lost it.
local seq = tonumber(ARGV[3])
local epoch, head, _, safe = read_room(ARGV[1])
if epoch ~= ARGV[2] or head < seq then return 0 end
if not safe or safe >= seq then return 1 end
redis.call('HSET', room, 'safe', ARGV[3])
local from = string.format('%.0f-0', safe + 1)
for _, entry in ipairs(redis.call('XRANGE', log, from, ARGV[3] .. '-0')) do
  local fields = entry[2]
  publish(ARGV[5], ARGV[4], table.concat({ 'L', epoch, string.sub(entry[1], 1, -3), fields[4], fields[2], fields[6] }, ' '))
end
return 1
