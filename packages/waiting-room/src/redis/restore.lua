-- ARGV: run, then user, seq of each place.
if not loaded then return false end
for i = 2, #ARGV, 2 do
  if redis.call('HEXISTS', S, ARGV[i]) == 0 then
    local at = redis.call('ZSCORE', W, ARGV[i])
    if not at or tonumber(ARGV[i + 1]) < tonumber(at) then redis.call('ZADD', W, ARGV[i + 1], ARGV[i]) end
  end
end
return 1
