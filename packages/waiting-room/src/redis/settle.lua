-- ARGV: run, how many of the wins are issued (the rest is dead), win...   Reply: how many of the issued ones were not expected.
if not loaded then return false end

local issued, unexpected = room.issued, 0

-- What this room did not give, or gave otherwise. A user who has an issuance keeps it.
local function know(serial, seq, user)
  local had = redis.call('HGET', S, user)
  if had == serial .. ':' .. seq then return end
  unexpected = unexpected + 1
  if had then
    if redis.call('ZREM', U, had .. ':' .. user) + redis.call('SREM', D, had .. ':' .. user) == 0 then return end
    redis.call('ZADD', F, string.match(had, '^%d+'), string.match(had, '^%d+'))
  end
  issued = issued + 1
  redis.call('HSET', S, user, serial .. ':' .. seq)
  redis.call('ZREM', W, user)
  if redis.call('ZREM', F, serial) == 0 and serial > room.next then
    for skipped = room.next + 1, serial - 1 do redis.call('ZADD', F, skipped, skipped) end
    room.next = serial
    redis.call('HSET', C, 'next', serial)
  end
end

local count = tonumber(ARGV[2])
for i = 3, #ARGV do
  local win = ARGV[i]
  if i - 2 > count then
    if redis.call('ZREM', U, win) == 1 then redis.call('SADD', D, win) end
  elseif redis.call('ZREM', U, win) == 1 then issued = issued + 1
  elseif redis.call('SREM', D, win) == 1 then issued, unexpected = issued + 1, unexpected + 1
  else know(split(win)) end
end
if issued ~= room.issued then redis.call('HSET', C, 'issued', issued) end
return unexpected
