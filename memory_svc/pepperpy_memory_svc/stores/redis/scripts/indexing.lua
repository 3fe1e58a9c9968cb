-- What makes entries findable, put in and taken out.
local RECORD, NONE = 16, string.rep('\0', 16)

local function add_posting(place, nr, often, length)
  if call('EXISTS', place) == 0 then call('APPEND', place, NONE) end
  call('APPEND', place, struct.pack('<I8I4I4', tonumber(nr), often, length))
end

local function place_of(postings, nr)
  local wanted, from = struct.pack('<I8', tonumber(nr)), RECORD + 1
  while true do
    local at = string.find(postings, wanted, from, true)
    if not at or (at - 1) % RECORD == 0 then return at end
    from = at + 1
  end
end

local function compact(place, postings, without)
  local rest = { NONE }
  for at = RECORD + 1, #postings, RECORD do
    local often = struct.unpack('<I4', postings, at + 8)
    if often > 0 and at ~= without then
      rest[#rest + 1] = string.sub(postings, at, at + RECORD - 1)
    end
  end
  if #rest == 1 then call('DEL', place) else call('SET', place, table.concat(rest)) end
end

local function remove_posting(place, nr)
  local postings = call('GET', place)
  local at = postings and place_of(postings, nr)
  if not at then return end
  local gone = struct.unpack('<I4', postings, 13) + 1
  if 2 * gone > #postings / RECORD - 1 then
    compact(place, postings, at)
  else
    call('SETRANGE', place, at - 1, NONE)
    call('SETRANGE', place, 12, struct.pack('<I4', gone))
  end
end

local function add_words(gen, ns, nr, words)
  local held = { words.length }
  for lexeme, often in pairs(words.lexemes) do
    held[#held + 1] = lexeme
    add_posting(key('postings', gen, ns, lexeme), nr, often, words.length)
  end
  call('SET', key('words', gen, ns, nr), cmsgpack.pack(held))
  call('HINCRBY', key('corpus', gen, ns), 'docs', 1)
  call('HINCRBY', key('corpus', gen, ns), 'length', words.length)
end

local function remove_words(gen, ns, nr)
  local packed = call('GET', key('words', gen, ns, nr))
  if not packed then return end
  local held = cmsgpack.unpack(packed)
  for at = 2, #held do remove_posting(key('postings', gen, ns, held[at]), nr) end
  call('DEL', key('words', gen, ns, nr))
  call('HINCRBY', key('corpus', gen, ns), 'docs', -1)
  call('HINCRBY', key('corpus', gen, ns), 'length', -held[1])
end

-- Made before anything else is written, because the server may refuse it.
local function make_near(one, ns, near)
  if one.kind ~= 'embedding' or call('SISMEMBER', key('near', one.gen), ns) == 1 then return end
  local how = { near.algorithm, #near.attributes + 2, 'DIM', tostring(one.dims) }
  for _, attribute in ipairs(near.attributes) do how[#how + 1] = attribute end
  call('FT.CREATE', key('near', one.gen, ns), 'ON', 'HASH', 'PREFIX', '1',
    key('vector', one.gen, ns, ''), 'SKIPINITIALSCAN', 'SCHEMA', 'v', 'VECTOR', unpack(how))
  call('SADD', key('near', one.gen), ns)
end


local function unindex(one, ns, nr)
  if one.kind == 'embedding' then
    call('DEL', key('vector', one.gen, ns, nr))
  else
    remove_words(one.gen, ns, nr)
  end
end

local function index(one, ns, nr, given)
  if one.kind == 'analyser' then
    add_words(one.gen, ns, nr, given)
  elseif given > 0 then
    call('HSET', key('vector', one.gen, ns, nr), 'v', beside(given))
  end
  call('ZREM', key('unfilled', one.gen), ns .. ':' .. nr)
end
