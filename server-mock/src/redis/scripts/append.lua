-- Decides one send: found again, refused, or appended, remembered and published.
-- KEYS[3] line of sends (hash)
-- ARGV: name, fresh epoch, held epoch, held head, held id, retention ms, most entries, most bytes, channel, sharded,
--       line's owner or '', pseq or '', epoch that the client named or '', dedupe window ms,
--       'append', 'refuse' for good or 'defer', id or code, entry,
--       how many replicas have to confirm an entry before it is shown and published (confirm.lua)
local name, fresh = ARGV[1], ARGV[2]
local held_epoch, held_head, held_id = ARGV[3], tonumber(ARGV[4]), ARGV[5]
local line, owner, pseq, window = KEYS[3], ARGV[11], tonumber(ARGV[12]), ARGV[14]
local how, what = ARGV[15], ARGV[16]
local replicas = tonumber(ARGV[18])

-- Answers remembered per line; a client has at most as many sends in flight.
local ANSWERS = 64
-- Each is { pseq, id, seq } or { pseq, code }.

-- Entries of a room that wait to be confirmed.
local MOST_UNCONFIRMED = 1024

local epoch, head, hid, safe = read_room(name)
local life
if replicas > 0 and how == 'append' then
  local connected
  connected, life = replication()
  -- Nobody would confirm it.
  if connected < replicas or (safe and head - safe >= MOST_UNCONFIRMED) then how, what = 'defer', 'overloaded' end
end
local appends = how == 'append'
if not epoch then
  -- A refused send makes no room.
  if appends then epoch, head, hid, safe = begin(name, fresh) end
elseif has_lost(epoch, head, hid, held_epoch, held_head, held_id) then
  epoch, head, hid, safe = begin(name, fresh)
  publish(ARGV[10], ARGV[9], 'H ' .. epoch .. ' 0')
  keep(ARGV[6])
end

local known = false
if pseq then
  check_type(line, 'hash')
  local slot = 'a' .. pseq % ANSWERS
  local found = redis.call('HMGET', line, 'owner', 'epoch', 'last', slot)
  if found[1] and found[1] ~= owner then
    error({ err = 'REJOIN foreign ' .. line })
  end
  known = found[1] and found[2] == epoch
  if known then
    local last = tonumber(found[3])
    if pseq > last + 1 then
      return { 'gap', string.format('%.0f', last + 1) }
    end
    if pseq <= last then
      local answer = found[4] and cmsgpack.unpack(found[4])
      if not answer or answer[1] ~= pseq then return { 'unknown' } end
      redis.call('PEXPIRE', line, window)
      if not answer[3] then return { 'nack', answer[2] } end
      -- The entry, if it is kept still.
      local entry = redis.call('XRANGE', log, answer[3] .. '-0', answer[3] .. '-0')[1]
      local reply = { 'dup', epoch, answer[3], answer[2] }
      if entry and entry[2][2] == answer[2] then
        reply[5], reply[6] = entry[2][4], entry[2][6]
      end
      return reply
    end
  elseif pseq ~= 1 or (ARGV[13] ~= '' and ARGV[13] ~= epoch) then
    return { 'unknown' }
  end
end

local function remember(answer)
  if known then
    redis.call('HSET', line, 'last', ARGV[12], 'a' .. pseq % ANSWERS, cmsgpack.pack(answer))
  else
    -- A line of an earlier life is none.
    redis.call('DEL', line)
    redis.call('HSET', line, 'owner', owner, 'epoch', epoch, 'last', ARGV[12], 'a' .. pseq % ANSWERS,
      cmsgpack.pack(answer))
  end
  redis.call('PEXPIRE', line, window)
end

if not appends then
  -- Who is refused for now makes the same send again.
  if known and how == 'refuse' then remember({ pseq, what }) end
  return { 'refused', what }
end

local id, entry = what, ARGV[17]
if replicas > 0 then
  if not safe then
    safe = head
    redis.call('HSET', room, 'safe', string.format('%.0f', safe), 'life', life)
  end
elseif safe then
  show_all()
  safe = false
end
local seq = string.format('%.0f', head + 1)
-- A log without its room is none of this life.
if head == 0 then redis.call('DEL', log) end
redis.call('XADD', log, seq .. '-0', 'i', id, 't', now, 'e', entry)
redis.call('HSET', room, 'head', seq, 'hid', id)
local bytes = redis.call('HINCRBY', room, 'bytes', #entry)
local most, most_bytes = tonumber(ARGV[7]), tonumber(ARGV[8])
local length = redis.call('XLEN', log)
while length > most or (bytes > most_bytes and length > 1) do
  local oldest = redis.call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
  -- Nobody has been shown it yet.
  if safe and tonumber(string.sub(oldest[1], 1, -3)) > safe then break end
  redis.call('XDEL', log, oldest[1])
  length = length - 1
  bytes = redis.call('HINCRBY', room, 'bytes', -#oldest[2][6])
  redis.call('HSET', room, 'gone', string.sub(oldest[1], 1, -3), 'gid', oldest[2][2])
end
keep(ARGV[6])
if pseq then remember({ pseq, id, seq }) end
if replicas == 0 then publish(ARGV[10], ARGV[9], table.concat({ 'L', epoch, seq, now, id, entry }, ' ')) end
return { 'ok', epoch, seq, id, tostring(now) }
