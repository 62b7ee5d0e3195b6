"""Words of SQL that the normalizer has to tell from names."""

from __future__ import annotations

#: A statement begins with one of these.
VERBS = frozenset(
    (
        "ABORT", "ALTER", "ANALYZE", "ATTACH", "BEGIN", "CALL", "CHECKPOINT", "CLOSE", "CLUSTER", "COMMENT", "COMMIT",
        "COPY", "CREATE", "DEALLOCATE", "DECLARE", "DELETE", "DESC", "DESCRIBE", "DETACH", "DISCARD", "DO", "DROP",
        "END", "EXEC", "EXECUTE", "EXPLAIN", "FETCH", "FLUSH", "GRANT", "INSERT", "KILL", "LISTEN", "LOAD", "LOCK",
        "MERGE", "MOVE", "NOTIFY", "OPTIMIZE", "PRAGMA", "PREPARE", "REFRESH", "REINDEX", "RELEASE", "RENAME",
        "REPLACE", "RESET", "REVOKE", "ROLLBACK", "SAVEPOINT", "SELECT", "SET", "SHOW", "START", "TRUNCATE",
        "UNLISTEN", "UNLOCK", "UPDATE", "UPSERT", "USE", "VACUUM", "VALUES", "WITH",
    )
)  # fmt: skip
#: What the statement does, when it begins with WITH.
MAIN_VERBS = frozenset(
    (
        "DELETE", "INSERT", "MERGE", "REPLACE", "SELECT", "UPDATE", "VALUES",
    )
)  # fmt: skip
#: The name behind one of these belongs to a session and means nothing.
SESSION_NAMES = frozenset(
    (
        "CLOSE", "DEALLOCATE", "DECLARE", "SAVEPOINT",
    )
)  # fmt: skip
#: The list of columns or tables before one of these is over.
CLAUSES = frozenset(
    (
        "CONNECT", "DELETE", "EXCEPT", "FETCH", "FOR", "FROM", "GROUP", "HAVING", "INSERT", "INTERSECT", "INTO",
        "JOIN", "LIMIT", "MERGE", "MINUS", "OFFSET", "ON", "ORDER", "PREWHERE", "QUALIFY", "REPLACE", "RETURNING",
        "SELECT", "SET", "SETTINGS", "UNION", "UPDATE", "USING", "VALUES", "WHERE", "WINDOW",
    )
)  # fmt: skip
#: Words that are no alias of what stands before them.
KEYWORDS = CLAUSES | frozenset(
    (
        "ADD", "ALL", "ALTER", "AND", "ANTI", "ANY", "ARRAY_JOIN", "AS", "ASC", "ASOF", "AT", "BERNOULLI", "BETWEEN",
        "BY", "CASCADE", "CASE", "COLLATE", "COLUMN", "CONFLICT", "CONSTRAINT", "COPY", "CREATE", "CROSS", "CUBE",
        "CURRENT", "CURSOR", "DEFAULT", "DESC", "DISTINCT", "DISTINCTROW", "DIV", "DO", "DROP", "DUPLICATE", "ELSE",
        "END", "ESCAPE", "EXISTS", "EXPLAIN", "FALSE", "FILTER", "FINAL", "FIRST", "FOLLOWING", "FORCE", "FORMAT",
        "FULL", "GLOB", "GLOBAL", "HIGH_PRIORITY", "HOLD", "IF", "IGNORE", "ILIKE", "IN", "INDEX", "INDEXED", "INNER",
        "INTERVAL", "IS", "ISNULL", "KEY", "LAST", "LATERAL", "LEFT", "LIKE", "LOCKED", "MATCHED", "MATERIALIZED",
        "MOD", "NATURAL", "NEXT", "NO", "NOT", "NOTHING", "NOTNULL", "NOWAIT", "NULL", "NULLS", "OF", "ONLY",
        "OPTION", "OR", "ORDINALITY", "OUTER", "OUTPUT", "OVER", "OVERLAPS", "PARTITION", "PIVOT", "PRECEDING",
        "PRIMARY", "RANGE", "RECURSIVE", "REGEXP", "RENAME", "RIGHT", "RLIKE", "ROLLUP", "ROW", "ROWS", "SAMPLE",
        "SEMI", "SIMILAR", "SKIP", "SOUNDS", "SQL_CALC_FOUND_ROWS", "SQL_NO_CACHE", "START", "STRAIGHT_JOIN",
        "SYSTEM", "TABLE", "TABLESAMPLE", "THEN", "TIES", "TO", "TOP", "TRUE", "TRUNCATE", "UNBOUNDED", "UNIQUE",
        "UNKNOWN", "UNPIVOT", "USE", "VIEW", "WHEN", "WITH", "WITHIN", "WITHOUT", "XOR", "ZONE",
    )
)  # fmt: skip
#: Between SELECT and its first column.
SELECT_MODIFIERS = frozenset(
    (
        "ALL", "DISTINCT", "DISTINCTROW", "HIGH_PRIORITY", "SQL_CALC_FOUND_ROWS", "SQL_NO_CACHE", "STRAIGHT_JOIN",
        "TOP",
    )
)  # fmt: skip
#: Functions in whose arguments AS names a type.
CASTS = frozenset(
    (
        "CAST", "CONVERT", "JSON_QUERY", "JSON_VALUE", "SAFE_CAST", "TRY_CAST", "XMLCAST", "XMLSERIALIZE",
    )
)  # fmt: skip
#: Values that are words.
VALUE_WORDS = frozenset(
    (
        "DEFAULT", "FALSE", "NULL", "TRUE",
    )
)  # fmt: skip
