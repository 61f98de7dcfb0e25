-- ARGV: run, limit, lease ms.   Reply: generation, now, waiting, remaining, active, then serial, seq, user of each win.
-- The bucket counts in micro-tokens and holds at most a tenth of a second's worth; it starts empty whenever admission starts.
if not loaded then return false end
local waiting = redis.call('ZCARD', W)
if not running then
  redis.call('HSET', C, 'beat', now, 'tokens', 0, 'at', now_us)
  redis.call('HDEL', C, 'meter_at')
  return { room.generation, now, waiting, remaining, 0 }
end

local bucket = redis.call('HMGET', C, 'tokens', 'at', 'meter_at', 'meter_n')
local elapsed = math.max(0, now_us - tonumber(bucket[2]))
local capacity = math.max(1000000, room.rate * 100000)
local tokens = math.min(capacity, tonumber(bucket[1]) + elapsed * room.rate)
local n = math.max(0, math.min(math.floor(tokens / 1000000), waiting, remaining, tonumber(ARGV[2])))

local reply, wins, pending, given = { room.generation, now, 0, 0, 0 }, {}, {}, 0
if n > 0 then
  local head = redis.call('ZPOPMIN', W, n)
  local users = {}
  for i = 1, #head, 2 do users[#users + 1] = head[i] end
  local won = redis.call('HMGET', S, unpack(users))
  local freed = redis.call('ZPOPMIN', F, math.min(n, free))
  local taken = 0
  for i, user in ipairs(users) do
    if not won[i] then
      local serial = tonumber(freed[2 * taken + 1])
      if serial then taken = taken + 1 else serial, room.next = room.next + 1, room.next + 1 end
      local seq = head[2 * i]
      wins[#wins + 1], wins[#wins + 2] = user, serial .. ':' .. seq
      pending[#pending + 1], pending[#pending + 2] = now + ARGV[3], serial .. ':' .. seq .. ':' .. user
      reply[#reply + 1], reply[#reply + 2], reply[#reply + 3] = serial, tonumber(seq), user
      given = given + 1
    end
  end
  for i = 2 * taken + 1, #freed, 2 do redis.call('ZADD', F, freed[i + 1], freed[i]) end
  if given > 0 then
    redis.call('HSET', S, unpack(wins))
    redis.call('ZADD', U, unpack(pending))
  end
end

-- The pace is measured only while the room is never empty: otherwise it would tell how fast people come.
local change = { 'beat', now, 'tokens', tokens - n * 1000000, 'at', now_us, 'next', room.next }
local function set(field, value) change[#change + 1], change[#change + 2] = field, value end
if waiting - n <= 0 then redis.call('HDEL', C, 'meter_at')
elseif not bucket[3] then set('meter_at', now) set('meter_n', 0)
else
  local span, count = now - bucket[3], bucket[4] + given
  if span < 2000 then set('meter_n', count)
  else set('measured', count * 1000 / span) set('measured_at', now) set('meter_at', now) set('meter_n', 0) end
end
redis.call('HSET', C, unpack(change))

remaining = remaining - given
reply[3], reply[4] = waiting - n, remaining
if remaining > 0 and waiting > n then reply[5] = 1 end
return reply
