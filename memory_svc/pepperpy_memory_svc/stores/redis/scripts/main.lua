local operations = {
  put = put, delete = delete, delete_unchanged = delete_unchanged, touch = touch, purge = purge,
  load = load, load_brief = load_brief, get = get, scan = scan, neighbours = neighbours, history = history,
  figures = figures, matching = matching, search = search, vectors = vectors, known = known,
  begin = begin, unfilled = unfilled, fill = fill, flip = flip, drop = drop, sweep = sweep,
}
-- What is no text is answered beside what is packed.
local answer, with = operations[ARGV[1]](cmsgpack.unpack(ARGV[2]))
local said = { cmsgpack.pack(answer) }
for at, each in ipairs(with or {}) do said[at + 1] = each end
return said
