-- ARGV: run, generation, revision, stock, rate, opens, closes, paused, max.
if not loaded then return false end
if room.generation == tonumber(ARGV[2]) and tonumber(ARGV[3]) > tonumber(redis.call('HGET', C, 'revision')) then
  redis.call('HSET', C, 'revision', ARGV[3], 'stock', math.max(room.stock, tonumber(ARGV[4])), 'rate', ARGV[5], 'opens', ARGV[6],
    'closes', ARGV[7], 'paused', ARGV[8], 'max', ARGV[9])
end
return 1
