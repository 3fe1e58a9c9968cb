-- What both legs of a search are made of, in one call.
local function search_entries(ns, where, limit)
  local query = '@ns:{' .. ns .. '}'
  if where ~= '' then query = query .. ' (' .. where .. ')' end
  return call('FT.SEARCH', entries(), query, 'NOCONTENT', 'LIMIT', '0', limit,
    'TIMEOUT', '0', 'DIALECT', '2')
end

local function numbers_in(ns, found)
  local numbers, begin = {}, key('entry', ns, '')
  for at = 2, #found do numbers[#numbers + 1] = rest_of(found[at], begin, '^%d+$') end
  return numbers
end

local function matching(asked)
  local ns = namespace(asked.namespace)
  return ns and numbers_in(ns, search_entries(ns, asked.where, asked.limit)) or {}
end

local function nearest(ns, asked, k)
  if call('SISMEMBER', key('near', asked.embedding), ns) == 0 then return {} end
  local found = call('FT.SEARCH', key('near', asked.embedding, ns), '*=>[KNN $k @v $q AS d]',
    'PARAMS', '4', 'k', k, 'q', beside(asked.vector), 'RETURN', '1', 'd', 'LIMIT', '0', k,
    'TIMEOUT', '0', 'DIALECT', '2')
  local near, begin = {}, key('vector', asked.embedding, ns, '')
  for at = 2, #found, 2 do
    local nr = rest_of(found[at], begin, '^%d+$')
    if nr then near[#near + 1] = { nr, found[at + 1][2] } end
  end
  return near
end

local function vectors_of(ns, gen, numbers, vectors)
  local having = {}
  for _, nr in ipairs(numbers) do
    local vector = call('HGET', key('vector', gen, ns, nr), 'v')
    if vector then
      having[#having + 1] = nr
      vectors[#vectors + 1] = vector
    end
  end
  return having
end

local function sums(ns, gen)
  local held = call('HMGET', key('corpus', gen, ns), 'docs', 'length')
  return { tonumber(held[1] or 0), tonumber(held[2] or 0) }
end

local function gone(asked)
  if asked.vector > 0 then
    local one = generation(asked.embedding)
    if not one or one.kind ~= 'embedding' then return asked.embedding, 'embedding' end
  end
  if asked.lexemes and #asked.lexemes > 0 then
    local one = generation(asked.analyser)
    if not one or one.kind ~= 'analyser' then return asked.analyser, 'analyser' end
  end
end

-- How many are looked at is chosen here, where it is known how many there are.
local function chosen(ns, asked, found)
  local k = tonumber(asked.k)
  if asked.where == '' and not (asked.compare and found.size <= asked.few) then return k end
  local fitting = search_entries(ns, asked.where, 0)[1]
  if fitting > asked.few then
    -- So many of the nearest are expected to have enough among them that fit.
    return math.ceil(1.2 * k * found.size / fitting)
  end
  found.few = numbers_in(ns, search_entries(ns, asked.where, asked.few))
  return k
end

local function search(asked)
  local missing, kind = gone(asked)
  if missing then return { gone = tonumber(missing), kind = kind } end
  local ns = namespace(asked.namespace)
  if not ns then return { size = 0 } end
  local found, with = { size = call('HLEN', key('ids', ns)) }, {}
  local k = chosen(ns, asked, found)
  if asked.vector > 0 and found.few then
    local vectors = {}
    found.compared = vectors_of(ns, asked.embedding, found.few, vectors)
    with[1] = table.concat(vectors)
  elseif found.size > 0 then
    -- Of the nearest a few more, for those that are expired: to ask again costs as much as before.
    found.span, found.k = k, math.min(k + math.ceil(k / 8) + 8, found.size)
    found.near = asked.vector > 0 and nearest(ns, asked, found.k) or {}
  end
  for _, lexeme in ipairs(asked.lexemes or {}) do
    with[#with + 1] = call('GET', key('postings', asked.analyser, ns, lexeme)) or ''
  end
  if asked.lexemes then found.corpus = sums(ns, asked.analyser) end
  return found, with
end

local function vectors(asked)
  local having, with, ns = {}, {}, namespace(asked.namespace)
  local one = generation(asked.embedding)
  if not one or one.kind ~= 'embedding' then return { gone = true } end
  for _, id in ipairs(asked.ids) do
    local there = standing(ns, id, asked.now)
    local vector = there and there.alive
      and call('HGET', key('vector', asked.embedding, ns, there.nr), 'v')
    if vector then
      having[#having + 1] = id
      with[#with + 1] = vector
    end
  end
  return { having = having }, with
end
