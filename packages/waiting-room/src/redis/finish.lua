-- ARGV: run, owner, hold ms, generation, revision, stock, rate, opens, closes, paused, max.   Opens the staged state as the room.
local LOCK, LS, LF, LN = KEYS[7], KEYS[8], KEYS[9], KEYS[10]
if redis.call('GET', LOCK) ~= ARGV[2] then return redis.error_reply('LEASE the lease on rebuilding was lost') end
if room.generation and room.generation >= tonumber(ARGV[4]) then return redis.error_reply('LEASE the room is of this generation already') end

-- Who had won and has no issuance waits again, at the old place; who has one does not wait.
local cursor = '0'
repeat
  local page = redis.call('HSCAN', S, cursor, 'COUNT', 1000)
  local users, won = {}, {}
  for i = 1, #page[2], 2 do users[#users + 1], won[#won + 1] = page[2][i], page[2][i + 1] end
  local issued = #users > 0 and redis.call('HMGET', LS, unpack(users))
  for i, user in ipairs(users) do
    if not issued[i] then redis.call('ZADD', W, string.match(won[i], '%d+$'), user) end
  end
  cursor = page[1]
until cursor == '0'
if redis.call('EXISTS', W) == 1 then
  each_slice(redis.call('HKEYS', LS), 1000, function(...) redis.call('ZREM', W, ...) end)
end

local function become(from, to)
  redis.call('DEL', to)
  if redis.call('EXISTS', from) == 1 then redis.call('RENAME', from, to) end
end
become(LS, S)
become(LF, F)
local next = redis.call('HGET', LN, 'top') or 0
redis.call('DEL', C, U, D, LN, LOCK)
redis.call('HSET', C, 'run', run, 'hold', now + ARGV[3], 'hold_ms', ARGV[3], 'generation', ARGV[4], 'revision', ARGV[5], 'stock', ARGV[6], 'rate', ARGV[7],
  'opens', ARGV[8], 'closes', ARGV[9], 'paused', ARGV[10], 'max', ARGV[11], 'next', next, 'issued', redis.call('HLEN', S), 'seq', ARGV[4] * 4294967296,
  'tokens', 0, 'at', now_us)
return 1
