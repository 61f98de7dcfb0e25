-- ARGV: run, owner, how many wins, win..., free serial...   Stages a part of the new state, and renews the lease.
local LOCK, LS, LF, LN = KEYS[7], KEYS[8], KEYS[9], KEYS[10]
if redis.call('GET', LOCK) ~= ARGV[2] then return redis.error_reply('LEASE the lease on rebuilding was lost') end
local top, count = tonumber(redis.call('HGET', LN, 'top') or 0), tonumber(ARGV[3])
for i = 4, #ARGV do
  local serial = tonumber(ARGV[i])
  if i - 3 <= count then
    local seq, user
    serial, seq, user = split(ARGV[i])
    redis.call('HSET', LS, user, serial .. ':' .. seq)
  else
    redis.call('ZADD', LF, serial, serial)
  end
  top = math.max(top, serial)
end
redis.call('HSET', LN, 'top', top)
redis.call('PEXPIRE', LOCK, redis.call('HGET', LN, 'lease'))
return 1
