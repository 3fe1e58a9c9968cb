"""All statements on the store's tables. ``{gen}`` is a generation's number, an integer.

``{where}`` is what `filtering` makes of a condition: columns of a fixed list and bound values.
Where entries are read ``$1`` is the namespace's name and ``$2`` the caller's clock.
"""
# ruff: noqa: S608 - nothing that a caller gives is put into a text

from typing import Final

HERE: Final = (
    "e.ns = (SELECT nr FROM namespace WHERE name = $1) AND (e.expires IS NULL OR e.expires > $2)"
)
"""The entry is of this namespace and not expired."""

ENTRY: Final = "e.id, e.version, e.text, e.expires, e.body"
"""What `entries.entry_of` reads."""

BARE: Final = "e.id, e.lang"
BRIEF: Final = (
    f'{BARE}, e.session, e.seq, e.links, e.importance, extract(epoch FROM e."at")::float8 AS at'
)
"""The fields of `rows.Brief`; a time as a number: to read hundreds of them takes a while."""

# --- reading --------------------------------------------------------------------------------------

GET: Final = f"SELECT {ENTRY} FROM entry e WHERE {HERE} AND e.id = ANY($3::text[])"

SCAN: Final = f"""
SELECT {ENTRY} FROM entry e WHERE {HERE} AND e.id > $3 AND {{where}} ORDER BY e.id LIMIT $4"""

NEIGHBOURS: Final = f"""
SELECT {ENTRY} FROM entry e
WHERE {HERE} AND {{where}} AND e.nr IN (
    SELECT near.nr FROM unnest($3::text[], $4::bigint[]) AS turn(session, seq) JOIN entry near
    ON near.ns = (SELECT nr FROM namespace WHERE name = $1) AND near.session <> ''
    AND near.session = turn.session
    AND near.seq BETWEEN turn.seq - $5::bigint AND turn.seq + $6::bigint
)
ORDER BY e.session, e.seq, e.id"""

HISTORY: Final = f"""
SELECT h.body, h.until FROM entry e JOIN history h USING (nr)
WHERE {HERE} AND e.id = $3 ORDER BY h.version DESC"""

FIGURES: Final = """
SELECT n.name, e.scope, e.term, e.lang, e.expires IS NULL OR e.expires > $2 AS there,
    count(*) AS entries, sum(char_length(e.text)) AS characters
FROM entry e JOIN namespace n ON n.nr = e.ns WHERE n.name = ANY($1::text[])
GROUP BY 1, 2, 3, 4, 5"""

SESSIONS: Final = """
SELECT n.name, count(DISTINCT e.session) AS sessions
FROM entry e JOIN namespace n ON n.nr = e.ns
WHERE n.name = ANY($1::text[]) AND e.session <> '' AND (e.expires IS NULL OR e.expires > $2)
GROUP BY 1"""

# --- searching ------------------------------------------------------------------------------------

PROBE: Final = f"""
SELECT array_agg(nr) FROM (
    SELECT e.nr FROM entry e WHERE {HERE} AND {{where}} LIMIT {{limit}}
) few"""

# By any analyser: a namespace has as many by each, but for what is being written.
SIZE: Final = """
SELECT max(docs) FROM corpus WHERE ns = (SELECT nr FROM namespace WHERE name = $1)"""

# What every leg ends with. One by one, the best first, until enough fit: most are never looked at.
# What fulfilled the condition may have been changed since it was probed.
_FITTING: Final = f"""
LATERAL (
    SELECT {{columns}} FROM entry e WHERE e.nr = scored.nr AND {HERE} AND {{where}} LIMIT 1
) e"""

# The index gives the nearest a bit out of order. Written as a plain join, or with the order one
# level below, the planner would compare all of a namespace whose size it does not know.
NEAREST: Final = f"""
SELECT true AS nearest, -(scored.emb <#> {{vector}}) AS score, e.*
FROM vector_{{gen}} scored, {_FITTING}
WHERE scored.emb IS NOT NULL ORDER BY scored.emb <#> {{vector}} LIMIT {{limit}}"""

NEAREST_OF_FEW: Final = f"""
SELECT true AS nearest, score, e.* FROM (
    SELECT v.nr, -(v.emb <#> {{vector}}) AS score FROM vector_{{gen}} v
    WHERE v.nr = ANY({{few}}) AND v.emb IS NOT NULL ORDER BY score DESC
) scored, {_FITTING} LIMIT {{limit}}"""

# Each lexeme's postings are read twice from the index alone: counted, then scored. Everything is
# made float8 before it meets a posting; OFFSET 0 keeps what is computed once from being repeated.
# The lexemes are a sub-select: how many there are is then unknown however the statement is planned,
# so the server keeps its plan, which takes half a millisecond to make.
WORDS: Final = """
WITH total AS MATERIALIZED (
    SELECT ns, docs::float8 AS docs, 1.2::float8 * 0.25::float8 AS fixed,
        1.2::float8 * 0.75::float8 * docs / greatest(length, 1) AS by_length
    FROM corpus WHERE gen = {gen} AND ns = (SELECT nr FROM namespace WHERE name = $1)
), asked AS MATERIALIZED (
    SELECT ns, fixed, by_length, lexeme, 2.2::float8 * rare AS weight FROM (
        SELECT counted.*, ln(1::float8 + (docs - df + 0.5::float8) / (df + 0.5::float8)) AS rare
        FROM (
            SELECT total.*, lexeme, times, (
                SELECT count(*)::float8 FROM posting_{gen} p
                WHERE p.ns = total.ns AND p.lexeme = question.lexeme
            ) AS df
            FROM total, unnest((SELECT {lexemes}), (SELECT {times})) AS question(lexeme, times)
            OFFSET 0
        ) counted WHERE df > 0
    ) weighed {telling}
)
SELECT p.nr, sum(asked.weight * p.tf / (p.tf + asked.fixed + asked.by_length * p.len)) AS score
FROM asked, LATERAL (
    SELECT p.nr, p.tf, p.len FROM posting_{gen} p
    WHERE p.ns = asked.ns AND p.lexeme = asked.lexeme {among} OFFSET 0
) p GROUP BY p.nr"""

# The sort is by code point, as the lexemes in the tables are.
TELLING: Final = 'ORDER BY times * rare DESC, lexeme COLLATE "C" LIMIT {most}'

# A part of the index's condition: of a common lexeme's postings only those are read.
AMONG_FEW: Final = "AND p.nr = ANY({few})"

BEST: Final = f"""
SELECT false AS nearest, score, e.* FROM (
    SELECT * FROM ({{words}}) all_scored ORDER BY score DESC
) scored, {_FITTING} LIMIT {{limit}}"""

VECTORS: Final = f"""
SELECT e.id, v.emb FROM entry e JOIN vector_{{gen}} v USING (nr)
WHERE {HERE} AND e.id = ANY($3::text[]) AND v.emb IS NOT NULL"""

# --- writing --------------------------------------------------------------------------------------

# Writers of a namespace take turns, so that versions, places and sums are what they read.
LOCK_NAMESPACE: Final = "SELECT nr, gone FROM namespace WHERE name = $1 FOR NO KEY UPDATE"
ADD_NAMESPACE: Final = "INSERT INTO namespace (name) VALUES ($1) ON CONFLICT DO NOTHING"

# A flip waits for the writers that know the generation before it, and the other way round.
SHARE_GENERATIONS: Final = (
    "SELECT pg_advisory_xact_lock_shared('generation'::regclass::oid::bigint)"
)
LOCK_GENERATIONS: Final = "SELECT pg_advisory_xact_lock('generation'::regclass::oid::bigint)"

BEFORE: Final = f"""
SELECT e.nr, {ENTRY} FROM entry e WHERE e.ns = $1 AND e.id = ANY($2::text[])
ORDER BY e.nr FOR UPDATE"""

LAST_TURNS: Final = """
SELECT session, max(seq) AS seq FROM entry
WHERE ns = $1 AND session <> '' AND session = ANY($2::text[]) GROUP BY session"""

NUMBERS: Final = "SELECT nextval('entry_nr') AS nr FROM generate_series(1, $1)"

REMOVE_ENTRIES: Final = """
WITH removed AS (DELETE FROM entry WHERE nr = ANY($1::bigint[]) RETURNING ns, version),
highest AS (SELECT ns, max(version) AS version FROM removed GROUP BY ns)
UPDATE namespace n SET gone = h.version FROM highest h WHERE n.nr = h.ns AND n.gone < h.version"""
REMOVE_VECTORS: Final = "DELETE FROM vector_{gen} WHERE nr = ANY($1::bigint[])"
REMOVE_WORDS: Final = """
WITH gone AS (DELETE FROM doc_{gen} WHERE nr = ANY($1::bigint[]) RETURNING nr, ns, len, lexemes),
words AS (
    DELETE FROM posting_{gen} p USING (SELECT ns, nr, unnest(lexemes) AS lexeme FROM gone) g
    WHERE p.ns = g.ns AND p.lexeme = g.lexeme AND p.nr = g.nr
)
UPDATE corpus c SET docs = c.docs - sums.docs, length = c.length - sums.length
FROM (SELECT ns, count(*) AS docs, sum(len) AS length FROM gone GROUP BY ns) sums
WHERE c.gen = {gen} AND c.ns = sums.ns"""

ADD_TO_CORPUS: Final = """
INSERT INTO corpus AS c (gen, ns, docs, length) VALUES ($1, $2, $3, $4)
ON CONFLICT (gen, ns) DO UPDATE SET docs = c.docs + $3, length = c.length + $4"""

FORGET_HISTORY: Final = "DELETE FROM history WHERE nr = ANY($1::bigint[])"
SHORTEN_HISTORY: Final = """
DELETE FROM history h USING unnest($1::bigint[], $2::integer[]) AS old(nr, version)
WHERE h.nr = old.nr AND h.version <= old.version"""

TOUCH: Final = f"""
WITH due AS (
    SELECT e.nr FROM entry e WHERE {HERE} AND e.id = ANY($3::text[]) AND e.ttl IS NOT NULL
    ORDER BY e.nr FOR UPDATE
)
UPDATE entry e SET expires = least($2 + make_interval(secs => e.ttl), $4) FROM due
WHERE e.nr = due.nr"""

# What an entry weighs is what its text takes in the table, which need not be read for that.
SIZES: Final = f"""
SELECT e.nr, pg_column_size(e.text) AS size FROM entry e WHERE {HERE} AND {{where}} ORDER BY e.nr"""
FIND: Final = f"""
SELECT e.nr, e.id FROM entry e WHERE e.nr = ANY({{few}}) AND {HERE} AND {{where}}
ORDER BY e.nr FOR UPDATE"""

EXPIRED_IN: Final = "SELECT DISTINCT ns FROM entry WHERE expires <= $1 ORDER BY ns"
# Another process that purges, or writes, has the namespace: it comes next time.
LOCK_IDLE_NAMESPACE: Final = """
SELECT nr FROM namespace WHERE nr = $1 FOR NO KEY UPDATE SKIP LOCKED"""
EXPIRED: Final = """
SELECT nr, pg_column_size(text) AS size FROM entry WHERE ns = $2 AND expires <= $1 LIMIT $3"""
STILL_EXPIRED: Final = """
SELECT nr FROM entry WHERE nr = ANY($2::bigint[]) AND expires <= $1 FOR UPDATE SKIP LOCKED"""

# --- generations ----------------------------------------------------------------------------------

GENERATIONS: Final = "SELECT number, kind, name, dims, state FROM generation ORDER BY number"
BEGIN: Final = """
INSERT INTO generation (kind, name, dims, state) VALUES ($1, $2, $3, $4) RETURNING number"""

CREATE_VECTORS: Final = """
CREATE TABLE vector_{gen} (nr bigint NOT NULL, emb halfvec({dims}));
CREATE UNIQUE INDEX vector_{gen}_nr ON vector_{gen} (nr)"""
INDEX_NAME: Final = "vector_{gen}_near"
INDEX_VECTORS: Final = """
CREATE INDEX {how} vector_{gen}_near ON vector_{gen} USING hnsw (emb halfvec_ip_ops)"""
# Tried and not waited for: who waits in a statement would keep the one that builds waiting, too.
TRY_BUILDING: Final = "SELECT pg_try_advisory_lock('generation'::regclass::oid::integer, {gen})"
END_BUILDING: Final = "SELECT pg_advisory_unlock('generation'::regclass::oid::integer, {gen})"
INDEX_BROKEN: Final = """
SELECT 1 FROM pg_index WHERE indexrelid = to_regclass($1) AND NOT indisvalid"""
DROP_INDEX: Final = "DROP INDEX vector_{gen}_near"
COUNT_VECTORS: Final = "SELECT count(*) FROM vector_{gen} WHERE emb IS NOT NULL"
BUILDING_MEMORY: Final = "SELECT pg_size_bytes(current_setting('maintenance_work_mem'))"
CREATE_WORDS: Final = """
CREATE TABLE doc_{gen} (nr bigint NOT NULL, ns integer NOT NULL, len integer NOT NULL,
    lexemes text[] COLLATE "C" NOT NULL);
CREATE UNIQUE INDEX doc_{gen}_nr ON doc_{gen} (nr);
CREATE TABLE posting_{gen} (ns integer NOT NULL, lexeme text COLLATE "C" NOT NULL,
    nr bigint NOT NULL, tf integer NOT NULL, len integer NOT NULL,
    PRIMARY KEY (ns, lexeme, nr) INCLUDE (tf, len))"""
DROP_TABLES: Final = "DROP TABLE IF EXISTS vector_{gen}, doc_{gen}, posting_{gen}"
DROP: Final = "DELETE FROM generation WHERE number = $1"

# Both are bounded, or the join would walk through all that is filled already for each portion.
UNFILLED: Final = f"""
SELECT e.nr, {ENTRY} FROM entry e
WHERE (e.expires IS NULL OR e.expires > $1) AND e.nr >= $2
    AND NOT EXISTS (SELECT FROM {{table}}_{{gen}} d WHERE d.nr = e.nr AND d.nr >= $2)
ORDER BY e.nr LIMIT $3"""
COUNT_UNFILLED: Final = """
SELECT count(*) FROM entry e WHERE (e.expires IS NULL OR e.expires > $1)
    AND NOT EXISTS (SELECT FROM {table}_{gen} d WHERE d.nr = e.nr)"""

KEEP: Final = """
UPDATE generation SET state = 'kept' WHERE kind = $2 AND state = 'current' AND number <> $1"""
MAKE_CURRENT: Final = "UPDATE generation SET state = 'current' WHERE number = $1"
VERSIONS: Final = """
SELECT id, version, nr FROM entry WHERE ns = $1 AND id = ANY($2::text[]) ORDER BY nr FOR UPDATE"""
