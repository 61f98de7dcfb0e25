-- ARGV: run, then user, seq of each ticket.   Reply: as of join.
if not loaded then return false end
if #ARGV == 1 then return { now, remaining, pace() } end
local users = {}
for i = 2, #ARGV, 2 do users[#users + 1] = ARGV[i] end
local won = redis.call('HMGET', S, unpack(users))
local scores = redis.call('ZMSCORE', W, unpack(users))

-- First the places, then the ranks: who comes back in this call counts for all who travel in it.
local place, is_back = {}, false
for i, user in ipairs(users) do
  if not won[i] then
    local ticket, at = tonumber(ARGV[2 * i + 1]), place[user] or tonumber(scores[i])
    if ticket ~= at and generation_of(ticket) < room.generation and (not at or ticket < at) then
      -- A ticket of a time before the room was lost brings its place back; any other that is not the user's place was left.
      redis.call('ZADD', W, ticket, user)
      at, is_back = ticket, true
    end
    place[user] = at
  end
end

-- The hold is for those who come back, so it begins with the first of them, however long nobody looked.
if is_back and not room.back and room.hold_ms then
  redis.call('HSET', C, 'back', 1, 'hold', now + room.hold_ms)
  running = running and room.hold_ms == 0
end

local reply = { now, remaining, pace() }
for i, user in ipairs(users) do
  local code, a, b = 7, 0, 0
  if won[i] then
    local serial, at = string.match(won[i], '^(%d+):(%d+)$')
    code, a, b = 2, tonumber(at), tonumber(serial)
  elseif closed then code = 5
  elseif place[user] == tonumber(ARGV[2 * i + 1]) then
    if remaining <= 0 then code = 3 else code, a, b = 1, place[user], redis.call('ZRANK', W, user) + 1 end
  end
  local n = #reply
  reply[n + 1], reply[n + 2], reply[n + 3] = code, a, b
end
return reply
