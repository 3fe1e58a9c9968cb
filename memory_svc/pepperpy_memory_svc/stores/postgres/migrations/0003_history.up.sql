-- Versions that were replaced, as JSON; an entry's go with it.
CREATE TABLE history (
    nr bigint NOT NULL,
    version integer NOT NULL,
    until timestamptz NOT NULL,
    body text NOT NULL,
    PRIMARY KEY (nr, version)
);
