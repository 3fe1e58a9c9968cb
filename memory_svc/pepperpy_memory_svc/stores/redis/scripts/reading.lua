-- Entries by what they are. An entry is answered as a list: `held` says of what.
local function held(ns, nr)
  local one = call('HMGET', key('entry', ns, nr), 'version', 'seq', 'created', 'expires', 'body')
  if not one[1] then return nil end
  return { nr, one[1], one[2], one[3], one[4] or '', one[5] }
end

local function all_held(ns, numbers)
  local found = {}
  for _, nr in ipairs(numbers) do found[#found + 1] = held(ns, nr) end
  return found
end

local function load(asked)
  return all_held(namespace(asked.namespace), asked.numbers)
end

-- What the order of hits depends on, of entries that need not be read whole.
local function load_brief(asked)
  local ns, found = namespace(asked.namespace), {}
  for _, nr in ipairs(asked.numbers) do
    local one = call('HMGET', key('entry', ns, nr), 'brief', 'seq', 'expires')
    if one[1] then found[#found + 1] = { nr, one[1], one[2], one[3] or '' } end
  end
  return found
end

local function numbers_of(ns, ids)
  local found = {}
  for _, id in ipairs(ids) do
    found[#found + 1] = call('HGET', key('ids', ns), id) or nil
  end
  return found
end

local function get(asked)
  local ns = namespace(asked.namespace)
  return ns and all_held(ns, numbers_of(ns, asked.ids)) or {}
end

local function scan(asked)
  local ns = namespace(asked.namespace)
  if not ns then return {} end
  local from = asked.after == '' and '-' or '(' .. asked.after
  local ids = call('ZRANGEBYLEX', key('order', ns), from, '+', 'LIMIT', 0, asked.limit)
  return all_held(ns, numbers_of(ns, ids))
end

local function neighbours(asked)
  local ns, seen, numbers = namespace(asked.namespace), {}, {}
  for _, turn in ipairs(ns and asked.turns or {}) do
    local near = call('ZRANGEBYSCORE', key('session', ns, turn[1]), turn[2], turn[3])
    for _, nr in ipairs(near) do
      if not seen[nr] then
        seen[nr] = true
        numbers[#numbers + 1] = nr
      end
    end
  end
  return all_held(ns, numbers)
end

local function history(asked)
  local ns, found = namespace(asked.namespace), {}
  local there = standing(ns, asked.id, asked.now)
  if not there or not there.alive then return found end
  for _, packed in ipairs(call('LRANGE', key('history', ns, there.nr), 0, -1)) do
    found[#found + 1] = cmsgpack.unpack(packed)
  end
  return found
end

local function figures(asked)
  local ns, groups, sessions, several = namespace(asked.namespace), {}, {}, 0
  for _, nr in ipairs(ns and call('HVALS', key('ids', ns)) or {}) do
    local one = call('HMGET', key('entry', ns, nr), 'expires', 'chars', 'session', 'lang', 'term', 'scope')
    local alive = living(one[1], asked.now)
    local name = table.concat({ alive and '1' or '0', one[5], one[6], one[4] }, ':')
    local group = groups[name] or { alive, one[5], one[6], one[4], 0, 0 }
    group[5], group[6] = group[5] + 1, group[6] + one[2]
    groups[name] = group
    if alive and one[3] ~= '' and not sessions[one[3]] then
      sessions[one[3]] = true
      several = several + 1
    end
  end
  local found = {}
  for _, group in pairs(groups) do found[#found + 1] = group end
  return { groups = found, sessions = several }
end
