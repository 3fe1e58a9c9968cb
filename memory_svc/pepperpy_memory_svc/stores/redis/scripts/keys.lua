-- What every script stands on. KEYS[1] begins the name of every key; numbers are texts, because a
-- number of Lua is exact to 53 bits only, and a nil in a list would end it.
--
--   last                        hash: the last number of an entry, a namespace, a generation; a
--                               stamp that changes with the generations; the form of the keys;
--                               whether the index has taken in all that was there before it
--   generations                 hash: number -> generation, packed
--   namespaces                  hash: name -> number
--   gone                        hash: NS -> the highest version of an entry that was removed
--   ids:NS                      hash: id -> number of the entry
--   order:NS                    ids in order
--   entry:NS:NR                 hash: the entry, its facts and what is asked for by the index
--   history:NS:NR               list: earlier versions, packed, the latest first
--   session:NS:SESSION          numbers of entries by seq
--   vector:GEN:NS:NR            hash: v, the vector; in the index near:GEN:NS
--   near:GEN                    set: namespaces that have such an index
--   words:GEN:NS:NR             length and lexemes of an entry, packed
--   postings:GEN:NS:LEXEME      records of 16 bytes: entry, how often, length; the first of all
--                               says how many have been taken out, which are zeros
--   corpus:GEN:NS               hash: docs, length
--   unfilled:GEN                NS:NR of entries that the generation has nothing for yet
--   dropped                     set: generations whose keys are being removed
local call = redis.call
local KEPT_VERSIONS = 16

local function key(...)
  return KEYS[1] .. table.concat({ ... }, ':')
end

-- What follows in a key that begins so; nil for one that is none of ours, whoever made it. An index
-- names whatever begins with its prefix.
local function rest_of(name, begin, form)
  if string.sub(name, 1, #begin) == begin then return string.match(name, form, #begin + 1) end
end

-- The index of the entries. One that is new finds only a part.
local function entries()
  if not call('HGET', key('last'), 'indexed') then error(key('entries') .. ': no such index') end
  return key('entries')
end

-- Bytes stand beside what is packed, from 1; 0 is for none.
local function beside(place)
  return place > 0 and ARGV[place + 2] or nil
end

local function fresh(what)
  return string.format('%.0f', call('HINCRBY', key('last'), what, 1))
end

local function stamp()
  return call('HGET', key('last'), 'stamp') or '0'
end

local function namespace(name)
  return call('HGET', key('namespaces'), name)
end

local function generations()
  local found = {}
  for _, packed in ipairs(call('HVALS', key('generations'))) do
    local one = cmsgpack.unpack(packed)
    one.gen = tostring(one.number)
    found[#found + 1] = one
  end
  table.sort(found, function(a, b) return a.number < b.number end)
  return found
end

local function generation(gen)
  local packed = call('HGET', key('generations'), gen)
  local one = packed and cmsgpack.unpack(packed)
  if one then one.gen = gen end
  return one
end

local function living(expires, now)
  return not expires or tonumber(expires) > tonumber(now)
end

local FIELDS = { 'version', 'seq', 'created', 'expires', 'session', 'digest', 'body', 'ttl' }

local function standing(ns, id, now)
  local nr = ns and call('HGET', key('ids', ns), id)
  if not nr then return nil end
  local held = call('HMGET', key('entry', ns, nr), unpack(FIELDS))
  local one = { nr = nr, alive = living(held[4], now) }
  for at, name in ipairs(FIELDS) do one[name] = held[at] end
  return one
end
