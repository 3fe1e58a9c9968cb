-- Entries put, touched and removed. Everything is checked before anything is written.
local function seq_of(ns, row, before)
  if row.session == '' or row.seq ~= '0' then return row.seq end
  if before and before.alive and before.session == row.session then return before.seq end
  local last = call('ZREVRANGE', key('session', ns, row.session), 0, 0)[1]
  -- The server adds exactly, beyond Lua's numbers, too.
  call('HSET', key('last'), 'seq', last and call('HGET', key('entry', ns, last), 'seq') or '0')
  call('HINCRBY', key('last'), 'seq', 1)
  return call('HGET', key('last'), 'seq')
end

local function remember(ns, row, before)
  local history = key('history', ns, before.nr)
  if not before.alive then
    call('DEL', history)
    return
  end
  local past = { row.updated, before.version, before.seq, before.created, before.expires or '', before.body }
  call('LPUSH', history, cmsgpack.pack(past))
  call('LTRIM', history, 0, KEPT_VERSIONS - 1)
end

local function place(ns, row, before, nr, seq)
  if not before then
    call('HSET', key('ids', ns), row.id, nr)
    call('ZADD', key('order', ns), 0, row.id)
  elseif before.session ~= '' then
    call('ZREM', key('session', ns, before.session), nr)
  end
  if row.session ~= '' then call('ZADD', key('session', ns, row.session), seq, nr) end
end

-- What comes where one was removed or has expired begins above every version that was there.
local function version_of(ns, row, before)
  local version = (before and tonumber(before.version) or 0) + 1
  if not (before and before.alive) then
    version = math.max(version, tonumber(row.brought), tonumber(call('HGET', key('gone'), ns) or 0) + 1)
  end
  return string.format('%.0f', version)
end

local function store(ns, row, before, nr, seq)
  local entry = key('entry', ns, nr)
  local again = before and before.alive
  local version = version_of(ns, row, before)
  local created = again and before.created or row.created
  local fields = row.fields
  for _, each in ipairs({ 'ns', ns, 'version', version, 'seq', seq, 'created', created }) do
    fields[#fields + 1] = each
  end
  if before then call('HDEL', entry, 'expires', 'ttl') end
  call('HSET', entry, unpack(fields))
  return { version, seq, created }
end

local function reindex(ns, row, before, nr, known)
  local same = before and before.alive and before.digest == row.digest
  for _, one in ipairs(known) do
    local given = row.lexemes
    if one.kind == 'embedding' then given = row.vectors end
    if given or not same then
      if before then unindex(one, ns, nr) end
      local mine = given and given[one.gen]
      if mine then
        index(one, ns, nr, mine)
      else
        call('ZADD', key('unfilled', one.gen), 0, ns .. ':' .. nr)
      end
    end
  end
end

local function make_all_near(ns, rows, known, near)
  for _, one in ipairs(known) do
    for _, row in ipairs(rows) do
      local vector = row.vectors and row.vectors[one.gen] or 0
      if vector > 0 then
        make_near(one, ns, near)
        break
      end
    end
  end
end

local function put(asked)
  if asked.stamp ~= stamp() then return { stale = true } end
  local ns = namespace(asked.namespace)
  local before = {}
  for at, row in ipairs(asked.rows) do
    before[at] = standing(ns, row.id, asked.now) or false
    local version = before[at] and before[at].alive and before[at].version or '0'
    if row.expected and row.expected ~= version then
      return { conflict = at, version = tonumber(version) }
    end
  end
  if not ns then
    ns = fresh('namespace')
    call('HSET', key('namespaces'), asked.namespace, ns)
  end
  local known, written = generations(), {}
  make_all_near(ns, asked.rows, known, asked.near)
  for at, row in ipairs(asked.rows) do
    local there = before[at] or nil
    local nr = there and there.nr or fresh('entry')
    local seq = seq_of(ns, row, there)
    if there then remember(ns, row, there) end
    place(ns, row, there, nr, seq)
    written[at] = store(ns, row, there, nr, seq)
    reindex(ns, row, there, nr, known)
  end
  return { written = written }
end

local function remove(ns, nr, known)
  local entry = key('entry', ns, nr)
  local held = call('HMGET', entry, 'id', 'session', 'version')
  if tonumber(held[3]) > tonumber(call('HGET', key('gone'), ns) or 0) then
    call('HSET', key('gone'), ns, held[3])
  end
  for _, one in ipairs(known) do
    unindex(one, ns, nr)
    call('ZREM', key('unfilled', one.gen), ns .. ':' .. nr)
  end
  call('HDEL', key('ids', ns), held[1])
  call('ZREM', key('order', ns), held[1])
  if held[2] ~= '' then call('ZREM', key('session', ns, held[2]), nr) end
  call('DEL', entry, key('history', ns, nr))
end

local function delete(asked)
  local ns, known, gone = namespace(asked.namespace), generations(), {}
  for _, id in ipairs(asked.ids) do
    local there = standing(ns, id, asked.now)
    if there and there.alive then
      remove(ns, there.nr, known)
      gone[#gone + 1] = id
    end
  end
  return gone
end

-- Those that have been changed since they were read are left.
local function delete_unchanged(asked)
  local ns, known, gone = namespace(asked.namespace), generations(), 0
  for _, read in ipairs(asked.entries) do
    local held = call('HMGET', key('entry', ns, read[1]), 'version', 'expires')
    if held[1] == read[2] and living(held[2], asked.now) then
      remove(ns, read[1], known)
      gone = gone + 1
    end
  end
  return gone
end

local function touch(asked)
  local ns, number = namespace(asked.namespace), 0
  for _, id in ipairs(asked.ids) do
    local there = standing(ns, id, asked.now)
    if there and there.alive and there.ttl then
      local micros = math.floor(tonumber(there.ttl) * 1e6 + 0.5)
      local expires = math.min(tonumber(asked.now) + micros, tonumber(asked.latest))
      call('HSET', key('entry', ns, there.nr), 'expires', string.format('%.0f', expires))
      number = number + 1
    end
  end
  return number
end

local function purge(asked)
  local query = '@expires:[-inf ' .. asked.now .. ']'
  local found = call('FT.SEARCH', entries(), query, 'NOCONTENT', 'LIMIT', '0', asked.limit,
    'TIMEOUT', '0', 'DIALECT', '2')
  local known, gone = generations(), 0
  for at = 2, #found do
    local ns, nr = rest_of(found[at], key('entry', ''), '^(%d+):(%d+)$')
    if ns and not living(call('HGET', found[at], 'expires'), asked.now) then
      remove(ns, nr, known)
      gone = gone + 1
    end
  end
  return gone
end
