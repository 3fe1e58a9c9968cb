-- Generations: begun, filled, taken and dropped.
local function keep(one)
  local plain = { number = one.number, kind = one.kind, name = one.name, dims = one.dims, state = one.state }
  call('HSET', key('generations'), tostring(one.number), cmsgpack.pack(plain))
  call('HINCRBY', key('last'), 'stamp', 1)
  return plain
end

local function mark_all_unfilled(gen)
  for _, ns in ipairs(call('HVALS', key('namespaces'))) do
    for _, nr in ipairs(call('HVALS', key('ids', ns))) do
      call('ZADD', key('unfilled', gen), 0, ns .. ':' .. nr)
    end
  end
end

local function known(_)
  local found = {}
  for at, one in ipairs(generations()) do
    one.gen = nil
    found[at] = one
  end
  return { stamp = stamp(), generations = found }
end

local function begin(asked)
  local state = 'current'
  for _, one in ipairs(generations()) do
    if one.kind == asked.kind then
      if one.name == asked.name then return one end
      state = 'building'
    end
  end
  local gen = fresh('generation')
  mark_all_unfilled(gen)
  return keep({ number = tonumber(gen), kind = asked.kind, name = asked.name, dims = asked.dims, state = state })
end

local function unfilled(asked)
  if not generation(asked.gen) then return { gone = true } end
  local found, from, members = {}, '-', nil
  repeat
    members = call('ZRANGEBYLEX', key('unfilled', asked.gen), from, '+', 'LIMIT', 0, asked.limit)
    for _, member in ipairs(members) do
      local ns, nr = string.match(member, '(%d+):(%d+)')
      -- What is expired stands in the way until it is purged.
      if living(call('HGET', key('entry', ns, nr), 'expires'), asked.now) then
        found[#found + 1] = held(ns, nr)
      end
      if #found == asked.limit then break end
      from = '(' .. member
    end
  until #found == asked.limit or #members < asked.limit
  return { found = found }
end

local function fill(asked)
  local one, filled = generation(asked.gen), 0
  if not one then return { gone = true } end
  for _, each in ipairs(asked.fillings) do
    local ns = namespace(each.namespace)
    local there = standing(ns, each.id, '0')
    if there and there.version == each.version then
      make_near(one, ns, asked.near)
      unindex(one, ns, there.nr)
      index(one, ns, there.nr, each.given)
      filled = filled + 1
    end
  end
  return { filled = filled }
end

local function flip(asked)
  local chosen, missing = generation(asked.gen), 0
  if not chosen then return { gone = true } end
  for _, member in ipairs(call('ZRANGE', key('unfilled', asked.gen), 0, -1)) do
    local ns, nr = string.match(member, '(%d+):(%d+)')
    if living(call('HGET', key('entry', ns, nr), 'expires'), asked.now) then missing = missing + 1 end
  end
  if missing > 0 and not asked.partial then return { missing = missing } end
  for _, one in ipairs(generations()) do
    if one.gen == asked.gen then
      one.state = 'current'
      keep(one)
    elseif one.kind == chosen.kind and one.state == 'current' then
      one.state = 'kept'
      keep(one)
    end
  end
  return { missing = missing }
end

local function drop(asked)
  local one = generation(asked.gen)
  if not one then return 'gone' end
  if one.state == 'current' then return 'current' end
  call('HDEL', key('generations'), asked.gen)
  call('HINCRBY', key('last'), 'stamp', 1)
  call('SADD', key('dropped'), asked.gen)
  return 'dropped'
end

-- The indexes of a generation that is gone; its keys are removed from outside, a few at a time.
local function sweep(asked)
  for _, ns in ipairs(call('SMEMBERS', key('near', asked.gen))) do
    call('FT.DROPINDEX', key('near', asked.gen, ns))
  end
  call('DEL', key('near', asked.gen), key('unfilled', asked.gen))
  return true
end
