-- ARGV: run, user...   Reply: now, remaining, pace, then code, a, b for each user (codes in WaitingRoomRedis.ts).
if not loaded then return false end
if #ARGV == 1 then return { now, remaining, pace() } end
local won = redis.call('HMGET', S, unpack(ARGV, 2))
local scores = redis.call('ZMSCORE', W, unpack(ARGV, 2))
local waiting = redis.call('ZCARD', W)
local seq = room.seq
local added, place, reply = {}, {}, { now, remaining, pace() }

local function answer(code, a, b)
  local n = #reply
  reply[n + 1], reply[n + 2], reply[n + 3] = code, a or 0, b or 0
end

for i = 2, #ARGV do
  local user = ARGV[i]
  if won[i - 1] then
    local serial, at = string.match(won[i - 1], '^(%d+):(%d+)$')
    answer(2, tonumber(at), tonumber(serial))
  elseif closed then answer(5)
  elseif remaining <= 0 then answer(3)
  elseif not opened then answer(4)
  elseif scores[i - 1] then answer(1, tonumber(scores[i - 1]), redis.call('ZRANK', W, user) + 1)
  elseif place[user] then answer(1, place[user][1], place[user][2])
  elseif room.max > 0 and waiting >= room.max then answer(6)
  else
    seq, waiting = seq + 1, waiting + 1
    added[#added + 1], added[#added + 2] = seq, user
    place[user] = { seq, waiting }
    answer(0, seq, waiting)
  end
end
if #added > 0 then
  redis.call('ZADD', W, 'NX', unpack(added))
  redis.call('HSET', C, 'seq', seq)
end
return reply
