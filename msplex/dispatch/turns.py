"""Whose call comes into the line next: the scripts of msplex.dispatch.line, each of them one atomic step.

A customer's calls wait in a list of its own, and the customers of a tenant that wait stand in a ring, and take turns. A
customer holds at most all places of its tenant but one, so that there is one for the others even while its own vendor
hangs. A tenant has `PLACES`; beside tenants of a greater weight that have calls waiting, only its share of as many. So
weights move places among those who have more calls than places, and nobody ever waits behind more than `PLACES` calls
of anybody else.
"""

PLACES = 8
# Calls of one tenant; at the pace of its places more would be too late when they start. A customer may have as many
# waiting as there is room for besides: one that floods has half of it, and another one always finds room.
MOST_WAITING = 2000

# What the others are made of. KEYS: the line, places held, calls waiting, weights of who waits, the tenant's ring.
# ARGV: the tenant, what the keys of lists begin with, PLACES. In `held`: of a tenant, and of each of its customers.
_COMMON = """
local line, held, waiting, heavy, ring = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local tenant, lists = ARGV[1], ARGV[2] .. ARGV[1]

local function count(hash, field) return tonumber(redis.call('HGET', hash, field) or '0') end
local function field_of(customer) return tenant .. ':' .. customer end
local function list_of(customer) return lists .. ':' .. customer end

local function places_of(weight)
    local heaviest = weight
    for _, other in ipairs(redis.call('HVALS', heavy)) do heaviest = math.max(heaviest, tonumber(other)) end
    return math.max(1, math.floor(tonumber(ARGV[3]) * weight / heaviest))
end

local function enter(customer, message)
    redis.call('XADD', line, '*', 'tenant', tenant, 'customer', customer, 'message', message)
    if customer ~= '' then redis.call('HINCRBY', held, field_of(customer), 1) end
    return redis.call('HINCRBY', held, tenant, 1)
end

local function less(hash, field)
    local left = redis.call('HINCRBY', hash, field, -1)
    if left <= 0 then redis.call('HDEL', hash, field) end
    return left
end

local function next_of(customer)
    local message = redis.call('LPOP', list_of(customer))
    if redis.call('EXISTS', list_of(customer)) == 1 then redis.call('RPUSH', ring, customer) end
    if message and less(waiting, tenant) <= 0 then redis.call('HDEL', heavy, tenant) end
    return message
end

local function let_in(weight)
    if redis.call('HEXISTS', waiting, tenant) == 0 then return end
    local places, placed, passed_over = places_of(weight), count(held, tenant), 0
    while placed < places do
        local customer = redis.call('LPOP', ring)
        if not customer then break end
        if placed == 0 or count(held, field_of(customer)) < math.max(1, places - 1) then
            local message = next_of(customer)
            if message then placed = enter(customer, message) end
            passed_over = 0
        else
            passed_over = passed_over + 1
            if passed_over >= redis.call('RPUSH', ring, customer) then break end
        end
    end
end
"""

# Further ARGV: the customer, the message, its tenant's weight, MOST_WAITING. -1: too many wait.
SEND = (
    _COMMON
    + """
local customer, message, weight = ARGV[4], ARGV[5], tonumber(ARGV[6])
local already = count(waiting, tenant)
local places = places_of(weight)
if already == 0 and count(held, tenant) < places
        and count(held, field_of(customer)) < math.max(1, places - 1) then
    enter(customer, message)
    return 0
end
local own = redis.call('LLEN', list_of(customer))
if own >= tonumber(ARGV[7]) - already then return -1 end
redis.call('RPUSH', list_of(customer), message)
if own == 0 then redis.call('RPUSH', ring, customer) end
redis.call('HINCRBY', waiting, tenant, 1)
if weight > 1 then redis.call('HSET', heavy, tenant, weight) else redis.call('HDEL', heavy, tenant) end
let_in(weight)
return 0
"""
)

# Further ARGV: the group, the entry, its customer. Takes it out, once, and lets the next ones of its tenant in. An
# empty line is also a fresh start of the count. `lists` alone: where calls waited before customers had turns.
END = (
    _COMMON
    + """
if redis.call('XACK', line, ARGV[4], ARGV[5]) == 0 then return 0 end
redis.call('XDEL', line, ARGV[5])
less(held, tenant)
if ARGV[6] ~= '' then less(held, field_of(ARGV[6])) end
local weight = math.max(1, count(heavy, tenant))
while redis.call('EXISTS', lists) == 1 and count(held, tenant) < places_of(weight) do
    enter('', redis.call('LPOP', lists))
end
let_in(weight)
if redis.call('XLEN', line) == 0 then redis.call('DEL', held) end
return 1
"""
)

# KEYS: the line, that which says that a consumer is alive. Of one that is gone: what it had, or, when that is nothing,
# its name.
TAKE_OVER = """
if redis.call('EXISTS', KEYS[2]) == 1 then return {} end
local held = redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2])
if #held == 0 then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
    return {}
end
return redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[3], 0, held[1][1])
"""
