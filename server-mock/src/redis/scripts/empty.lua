-- Forgets what was said in a room: it begins anew, and every node is told.
-- ARGV: name, retention ms, channel, sharded
-- Answers 1, or 0 if there is no such room.
local name = ARGV[1]
local before = read_room(name)
if not before then return 0 end
local epoch = string.sub(redis.sha1hex(table.concat({ name, before, time[1], time[2] }, ' ')), 1, 24)
begin(name, epoch)
keep(ARGV[2])
publish(ARGV[4], ARGV[3], 'H ' .. epoch .. ' 0')
return 1
