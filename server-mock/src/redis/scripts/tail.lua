-- Says up to where a room has entries that nobody confirms any more, as their sender is gone. It writes, so that replicas can be
-- asked afterwards what they have.
-- ARGV: name, retention ms, how many replicas have to confirm them
-- Answers epoch and head; nothing if there is no such entry, or if there are too few replicas.
local epoch, head, _, safe = read_room(ARGV[1])
if not epoch or not safe or safe >= head then return false end
local connected = replication()
if connected < tonumber(ARGV[3]) then return false end
keep(ARGV[2])
return { epoch, head }
