-- What every script of the room begins with. All keys of a campaign share one hash slot.
--   C hash: definition, sequence, gate, token bucket    W zset: user -> seq, who waits       S hash: user -> serial:seq, who has won
--   U zset: serial:seq:user -> when to look after it    D set: the same, dead letters        F zset: serials given back
-- ARGV[1] is the run_id of the server that the caller's connection is to. A room that was last written by another process may have lost
-- the end of its state with it, so it does not answer. Without one (Redis Cluster) the server is asked.
local C, W, S, U, D, F = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local time = redis.call('TIME')
local now_us = tonumber(time[1]) * 1000000 + tonumber(time[2])
local now = math.floor(now_us / 1000)

local run = ARGV[1]
if run == '' then run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') end

local fields = { 'run', 'generation', 'stock', 'next', 'rate', 'opens', 'closes', 'paused', 'max', 'hold', 'hold_ms', 'back', 'seq', 'issued', 'beat', 'measured', 'measured_at' }
local values = redis.call('HMGET', C, unpack(fields))
local room = {}
for i, field in ipairs(fields) do room[field] = tonumber(values[i]) end
-- A room of a version that did not count what is issued is built anew.
local loaded = values[1] == run and room.issued ~= nil

local free = redis.call('ZCARD', F)
local remaining = 0
if loaded then remaining = room.stock - room.next + free end

-- 0 stands for "none" in opens, closes and max.
local closed = loaded and room.closes > 0 and now >= room.closes
local opened = loaded and now >= room.opens
local running = opened and not closed and room.paused == 0 and now >= room.hold

-- Admissions a second, -1 while nobody is being admitted.
local function pace()
  if not running or not room.beat or now - room.beat > 3000 then return '-1' end
  if room.measured and now - room.measured_at < 10000 then return tostring(math.min(room.measured, room.rate)) end
  return tostring(room.rate)
end

local function generation_of(seq) return math.floor(seq / 4294967296) end

local function split(win)
  local serial, seq, user = string.match(win, '^(%d+):(%d+):(.*)$')
  return tonumber(serial), seq, user -- seq stays text: numbers of over 14 digits would lose some as text again
end

-- Lua can unpack some thousands of values at once.
local function each_slice(list, size, f)
  for from = 1, #list, size do f(unpack(list, from, math.min(from + size - 1, #list))) end
end
