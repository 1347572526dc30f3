/** Numbers per bucket in the script's arguments; see {@link CONSUME_SCRIPT}. */
export const ARGUMENTS_PER_BUCKET = 10;

/**
 * All of a request's buckets in one call (feature F4). Redis runs a script without interruption, which makes it exact, and its own TIME
 * is the only clock, so that the clocks of the instances do not matter. The arithmetic is that of `arithmetic.ts`.
 *
 * KEYS: one per bucket, a string `count:resetAt:strikes:strikesUntil:blockedUntil:offences` (times in ms).
 * ARGV per bucket: smooth 0|1, limit, windowMs, burst, cost, force 0|1, strikes (0: no penalty), strikeWindowMs, blockMs, mostBlockMs.
 * Reply: allowed, then per bucket allowed, remaining, resetMs, retryMs.
 */
export const CONSUME_SCRIPT = `
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000
local stored = redis.call('MGET', unpack(KEYS))
local buckets, allowed = {}, 1

for i = 1, #KEYS do
  local a = (i - 1) * ${ARGUMENTS_PER_BUCKET}
  local b = {
    smooth = ARGV[a + 1] == '1', limit = tonumber(ARGV[a + 2]), window = tonumber(ARGV[a + 3]), burst = tonumber(ARGV[a + 4]),
    cost = tonumber(ARGV[a + 5]), force = ARGV[a + 6] == '1', strikeLimit = tonumber(ARGV[a + 7]), strikeWindow = tonumber(ARGV[a + 8]),
    block = tonumber(ARGV[a + 9]), mostBlock = tonumber(ARGV[a + 10]),
    count = 0, resetAt = 0, strikes = 0, strikesUntil = 0, blockedUntil = 0, offences = 0
  }
  if stored[i] then
    local c, r, s, su, bu, o = string.match(stored[i], '^([^:]+):([^:]+):([^:]+):([^:]+):([^:]+):([^:]+)$')
    b.count, b.resetAt, b.strikes, b.strikesUntil, b.blockedUntil, b.offences =
      tonumber(c), tonumber(r), tonumber(s), tonumber(su), tonumber(bu), tonumber(o)
  end
  if b.smooth then
    if now >= b.resetAt then b.resetAt = now end
  elseif (now >= b.resetAt or b.count == 0) and now >= b.blockedUntil then
    b.count, b.resetAt = 0, now + b.window
  end
  if b.smooth then
    b.interval = b.window / b.limit
    b.fits = b.resetAt + b.cost * b.interval - now <= b.burst * b.interval
  else
    b.fits = b.count + b.cost <= b.limit and now >= b.blockedUntil
  end
  if not b.fits and not b.force then allowed = 0 end
  buckets[i] = b
end

local reply = { allowed }
for i, b in ipairs(buckets) do
  local changed = false
  if allowed == 1 or b.force then
    changed = true
    if b.smooth then b.resetAt = math.max(now, b.resetAt + b.cost * b.interval) else b.count = math.max(0, b.count + b.cost) end
  end
  if not b.fits and b.strikeLimit > 0 and now >= b.blockedUntil then
    changed = true
    if now >= b.strikesUntil then b.strikes, b.strikesUntil = 0, now + b.strikeWindow end
    b.strikes = b.strikes + 1
    if b.strikes >= b.strikeLimit then
      b.strikes = 0
      b.blockedUntil = now + math.min(b.block * 2 ^ b.offences, b.mostBlock)
      b.offences = b.offences + 1
    end
  end
  if changed then
    local expires = b.resetAt
    if b.strikes > 0 then expires = math.max(expires, b.strikesUntil) end
    if b.offences > 0 then expires = math.max(expires, b.blockedUntil + b.strikeWindow) end
    local value = string.format('%d:%.3f:%d:%.3f:%.3f:%d', b.count, b.resetAt, b.strikes, b.strikesUntil, b.blockedUntil, b.offences)
    redis.call('SET', KEYS[i], value, 'PXAT', string.format('%d', math.ceil(expires) + 1))
  end
  local reset, remaining, retry = math.max(0, b.resetAt - now, b.blockedUntil - now), 0, 0
  if b.smooth then
    remaining = math.max(0, math.floor((b.burst * b.interval - reset) / b.interval + 1e-6))
    if not b.fits then retry = math.max(0, reset + b.cost * b.interval - b.burst * b.interval) end
  else
    local blocked = math.max(0, b.blockedUntil - now)
    if blocked == 0 then remaining = math.max(0, b.limit - b.count) end
    if not b.fits then retry = blocked > 0 and blocked or reset end
  end
  reply[#reply + 1] = b.fits and 1 or 0
  reply[#reply + 1] = remaining
  reply[#reply + 1] = math.ceil(reset)
  reply[#reply + 1] = math.ceil(retry)
end
return reply
`;
