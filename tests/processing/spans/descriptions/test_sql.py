"""Statements as drivers and ORMs send them, and statements nobody would."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dictamesh_sentry.processing.spans.descriptions.described import NOTHING
from dictamesh_sentry.processing.spans.descriptions.sql import MAX_SQL, describe_sql
from dictamesh_sentry.processing.spans.descriptions.sql_structure import MAX_DEPTH
from dictamesh_sentry.processing.spans.descriptions.sql_words import KEYWORDS, VERBS

#: (system, statement, normalized, action, table)
ORMS = {
    "django-get": (
        "postgresql",
        'SELECT "auth_user"."id", "auth_user"."password", "auth_user"."email" FROM "auth_user" '
        'WHERE ("auth_user"."is_active" AND "auth_user"."id" = 42) LIMIT 21',
        "SELECT .. FROM auth_user WHERE (auth_user.is_active AND auth_user.id = %s) LIMIT %s",
        "SELECT",
        "auth_user",
    ),
    "django-in": (
        "sqlite",
        'SELECT "a"."id", "a"."n" FROM "a" WHERE "a"."id" IN (1, 2, 3, 4) ORDER BY "a"."n" DESC',
        "SELECT .. FROM a WHERE a.id IN (%s) ORDER BY a.n DESC",
        "SELECT",
        "a",
    ),
    "django-count": ("mysql", "SELECT COUNT(*) AS `__count` FROM `book`", "SELECT COUNT(*) FROM book", "SELECT", "book"),
    "django-exists": (
        "sqlite",
        'SELECT 1 AS "a" FROM "book" WHERE "book"."title" LIKE \'%50\\%%\' ESCAPE \'\\\' LIMIT 1',
        "SELECT %s FROM book WHERE book.title LIKE %s ESCAPE %s LIMIT %s",
        "SELECT",
        "book",
    ),
    "django-bulk-create": (
        "postgresql",
        'INSERT INTO "book" ("title", "pages") VALUES (%s, %s), (%s, %s), (%s, %s) RETURNING "book"."id"',
        "INSERT INTO book (..) VALUES (%s) RETURNING book.id",
        "INSERT",
        "book",
    ),
    "django-unknown-system": (
        "",
        'UPDATE "book" SET "title" = \'it\'\'s\', "pages" = NULL WHERE "book"."id" = 7',
        "UPDATE book SET title = %s, pages = %s WHERE book.id = %s",
        "UPDATE",
        "book",
    ),
    "django-savepoint": ("postgresql", 'SAVEPOINT "s140123_x1"', "SAVEPOINT %s", "SAVEPOINT", ""),
    "django-release": ("postgresql", 'RELEASE SAVEPOINT "s140123_x1"', "RELEASE SAVEPOINT %s", "RELEASE", ""),
    "django-rollback": ("sqlite", 'ROLLBACK TO SAVEPOINT "s140_x1"', "ROLLBACK TO SAVEPOINT %s", "ROLLBACK", ""),
    "django-cursor": (
        "postgresql",
        'DECLARE "_django_curs_140_sync_1" NO SCROLL CURSOR WITH HOLD FOR SELECT "a"."id", "a"."b" FROM "a"',
        "DECLARE %s NO SCROLL CURSOR WITH HOLD FOR SELECT .. FROM a",
        "DECLARE",
        "a",
    ),
    "sqlalchemy-select": (
        "",
        "SELECT users.id AS users_id, users.name AS users_name \nFROM users JOIN addresses AS addresses_1 "
        "ON users.id = addresses_1.user_id\nWHERE users.id = ? AND addresses_1.city = ?",
        "SELECT .. FROM users JOIN addresses ON users.id = addresses.user_id WHERE users.id = %s AND addresses.city = %s",
        "SELECT",
        "users",
    ),
    "sqlalchemy-insertmany": (
        "postgresql",
        "INSERT INTO t (a, b) SELECT p0::VARCHAR, p1::INTEGER FROM (VALUES (%(a__0)s, %(b__0)s, 0), "
        "(%(a__1)s, %(b__1)s, 1)) AS imp_sen(p0, p1, sen_counter) ORDER BY sen_counter RETURNING t.id, t.id AS id__1",
        "INSERT INTO t (..) SELECT p0::VARCHAR, p1::INTEGER FROM (VALUES (%s)) (p0, p1, sen_counter) "
        "ORDER BY sen_counter RETURNING ..",
        "INSERT",
        "t",
    ),
    "sqlalchemy-asyncpg": (
        "postgresql",
        "UPDATE t SET name=$1::VARCHAR, seen=$2::TIMESTAMP WITH TIME ZONE WHERE t.id = $3::UUID",
        "UPDATE t SET name = %s, seen = %s WHERE t.id = %s",
        "UPDATE",
        "t",
    ),
    "active-record": (
        "",
        'SELECT "users".* FROM "users" WHERE "users"."id" = $1 LIMIT $2 /*application:Shop,controller:carts*/',
        "SELECT users.* FROM users WHERE users.id = %s LIMIT %s",
        "SELECT",
        "users",
    ),
    "active-record-mysql": (
        "mysql",
        "SELECT 1 AS one FROM `users` WHERE `users`.`name` = BINARY 'O\\'Neil' LIMIT 1",
        "SELECT %s FROM users WHERE users.name = BINARY %s LIMIT %s",
        "SELECT",
        "users",
    ),
    "prisma": (
        "postgresql",
        'SELECT "public"."User"."id", "public"."User"."email" FROM "public"."User" WHERE ("public"."User"."id" = $1 '
        "AND 1=1) LIMIT $2 OFFSET $3 /* traceparent='00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' */",
        "SELECT .. FROM public.User WHERE (public.User.id = %s AND %s = %s) LIMIT %s OFFSET %s",
        "SELECT",
        "User",
    ),
    "prisma-enum": (
        "postgresql",
        'INSERT INTO "public"."User" ("email","role") VALUES ($1,CAST($2::text AS "public"."Role")) RETURNING "id"',
        "INSERT INTO public.User (..) VALUES (%s, CAST(%s AS public.Role)) RETURNING id",
        "INSERT",
        "User",
    ),
    "hibernate": (
        "",
        "select u1_0.id,u1_0.name from users u1_0 left join orders o1_0 on o1_0.user_id=u1_0.id where u1_0.id=?",
        "select .. from users left join orders on orders.user_id = users.id where users.id = %s",
        "SELECT",
        "users",
    ),
    "doctrine": (
        "mysql",
        "SELECT t0.id AS id_1, t0.name AS name_2 FROM user t0 WHERE t0.id = ?",
        "SELECT .. FROM user WHERE user.id = %s",
        "SELECT",
        "user",
    ),
    "laravel": ("", "select * from `users` where `id` = 5 limit 1", "select * from users where id = %s limit %s", "SELECT", "users"),
    "laravel-string": ("mysql", 'select * from users where name = "Jo"', "select * from users where name = %s", "SELECT", "users"),
    "gorm": (
        "",
        'SELECT * FROM "orders" WHERE id = 1 AND "orders"."deleted_at" IS NULL ORDER BY "orders"."id" LIMIT 1',
        "SELECT * FROM orders WHERE id = %s AND orders.deleted_at IS NULL ORDER BY orders.id LIMIT %s",
        "SELECT",
        "orders",
    ),
    "entity-framework": (
        "mssql",
        "SELECT TOP(1) [u].[Id], [u].[Name] FROM [dbo].[Users] AS [u] WHERE [u].[Id] = @__id_0",
        "SELECT TOP (%s) .. FROM dbo.Users WHERE dbo.Users.Id = %s",
        "SELECT",
        "Users",
    ),
}  # fmt: skip
OTHERS = {
    "cte": (
        "WITH recent AS (SELECT id, x FROM orders WHERE x > 1) SELECT r.id, count(*) c FROM recent r "
        "JOIN lines l ON l.o = r.id GROUP BY 1",
        "WITH recent AS (SELECT .. FROM orders WHERE x > %s) SELECT recent.id, count(*) FROM recent "
        "JOIN lines ON lines.o = recent.id GROUP BY %s",
        "SELECT",
        "lines",
    ),
    "cte-insert": (
        "WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x",
        "WITH x AS (SELECT %s) INSERT INTO t SELECT * FROM x",
        "INSERT",
        "t",
    ),
    "subquery": (
        "SELECT s.a, b FROM (SELECT * FROM inner_t) s, other o WHERE o.a IS DISTINCT FROM 3",
        "SELECT .. FROM (SELECT * FROM inner_t), other WHERE other.a IS DISTINCT FROM %s",
        "SELECT",
        "inner_t",
    ),
    "subquery-in-columns": (
        "SELECT (SELECT max(x) FROM other), a FROM main",
        "SELECT (SELECT max(x) FROM other), a FROM main",
        "SELECT",
        "main",
    ),
    "union": ("(SELECT a, b FROM t1) UNION ALL (SELECT a, b FROM t2)", "(SELECT .. FROM t1) UNION ALL (SELECT .. FROM t2)", "SELECT", "t1"),
    "distinct-on": (
        "SELECT DISTINCT ON (a) a, b, CASE WHEN c = 1 THEN 'x' ELSE 3 END AS z FROM t FOR UPDATE SKIP LOCKED",
        "SELECT DISTINCT ON (a) .., CASE WHEN c = %s THEN %s ELSE %s END FROM t FOR UPDATE SKIP LOCKED",
        "SELECT",
        "t",
    ),
    "upsert": (
        "INSERT INTO t VALUES (1, now(), NULL), (2, now(), 3) ON CONFLICT (a, b) DO UPDATE SET x = EXCLUDED.x",
        "INSERT INTO t VALUES (%s, now(), %s) ON CONFLICT (a, b) DO UPDATE SET x = EXCLUDED.x",
        "INSERT",
        "t",
    ),
    "pairs": (
        "SELECT id FROM t WHERE (a, b) IN ((1,2),(3,4)) AND c = ANY(ARRAY[1,2,3])",
        "SELECT id FROM t WHERE (a, b) IN (%s) AND c = ANY (ARRAY[%s])",
        "SELECT",
        "t",
    ),
    "json": (
        "SELECT d->>'k', d#>'{a}' FROM t WHERE c @> '{\"a\":1}'::jsonb AND e - 5 > -1.5e-3",
        "SELECT d->>%s, d#>%s FROM t WHERE c @> %s AND e - %s > %s",
        "SELECT",
        "t",
    ),
    "functions": (
        "SELECT CAST(a AS INTEGER), EXTRACT(YEAR FROM b), coalesce(c, 'x', 2) FROM t",
        "SELECT CAST(a AS INTEGER), EXTRACT(YEAR FROM b), coalesce(c, %s, %s) FROM t",
        "SELECT",
        "t",
    ),
    "dollars": ("SELECT $body$ it's $x$ $body$, $1, $$y$$", "SELECT %s, %s, %s", "SELECT", ""),
    "booleans": (
        "SELECT * FROM t WHERE a = TRUE AND b IS NOT TRUE AND c IS NULL AND d = 0xFF",
        "SELECT * FROM t WHERE a = %s AND b IS NOT TRUE AND c IS NULL AND d = %s",
        "SELECT",
        "t",
    ),
    "comments": ("-- why\nSELECT /* all */ * -- of\n FROM t;", "SELECT * FROM t", "SELECT", "t"),
    "several": ("BEGIN; DELETE FROM t;; COMMIT;", "BEGIN; DELETE FROM t; COMMIT", "BEGIN", "t"),
    "partition": ("SELECT * FROM events_20240131", "SELECT * FROM events_%s", "SELECT", "events_*"),
    "merge": ("MERGE INTO t AS x USING s ON x.id = s.id WHEN MATCHED THEN DELETE", "MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN DELETE", "MERGE", "t"),
    "create": ("CREATE TABLE IF NOT EXISTS foo (id int, n varchar(255) DEFAULT 'x')", "CREATE TABLE IF NOT EXISTS foo (id int, n varchar(%s) DEFAULT %s)", "CREATE", "foo"),
    "alter": ("ALTER TABLE foo ADD COLUMN x int", "ALTER TABLE foo ADD COLUMN x int", "ALTER", "foo"),
    "truncate": ("TRUNCATE a, b", "TRUNCATE a, b", "TRUNCATE", "a"),
    "copy": ("COPY t (a, b) FROM STDIN", "COPY t (..) FROM STDIN", "COPY", "t"),
    "pragma": ("PRAGMA table_info('x')", "PRAGMA table_info(%s)", "PRAGMA", ""),
    "call": ("{call proc(1, 2)}", "{call proc(%s, %s)}", "CALL", ""),
    "lock": ("SELECT pg_advisory_lock(12)", "SELECT pg_advisory_lock(%s)", "SELECT", ""),
    "delete": ("DELETE FROM s WHERE e < NOW() - INTERVAL 1 DAY", "DELETE FROM s WHERE e < NOW() - INTERVAL %s DAY", "DELETE", "s"),
    "odd-names": ('SELECT * FROM "order" WHERE "x y" = 1', 'SELECT * FROM order WHERE "x y" = %s', "SELECT", "order"),
}  # fmt: skip


@pytest.mark.parametrize("case", ORMS)
def test_statements_of_orms(case: str) -> None:
    system, statement, *expected = ORMS[case]
    assert [*describe_sql(statement, system)] == expected


@pytest.mark.parametrize("case", OTHERS)
def test_statements_of_people(case: str) -> None:
    statement, *expected = OTHERS[case]
    assert [*describe_sql(statement)] == expected


@pytest.mark.parametrize("case", [*ORMS.values(), *(("", *rest) for rest in OTHERS.values())])
def test_normalizing_again_changes_nothing(case: tuple[str, str, str, str, str]) -> None:
    assert describe_sql(case[2], case[0]).normalized == case[2]


@pytest.mark.parametrize(
    ("cut", "expected"),
    [
        ("SELECT a, b FROM x WHERE id IN (1, 2, 3, 4", "SELECT .. FROM x WHERE id IN (%s"),
        ("SELECT a, b FROM x WHERE id IN (1, 2,", "SELECT .. FROM x WHERE id IN (%s"),
        ("SELECT a, b FROM x WHERE id IN (1, 2...", "SELECT .. FROM x WHERE id IN (%s"),
        ("SELECT a, b, c", "SELECT .."),
        ("SELECT a, b,", "SELECT .."),
        ("SELECT * FROM t WHERE name = 'abc de…", "SELECT * FROM t WHERE name = %s"),
        ("INSERT INTO t (a, b) VALUES (1, 2), (3", "INSERT INTO t (..) VALUES (%s)"),
        ("SELECT * FROM t /* a comm", "SELECT * FROM t"),
        ("SELECT * FROM t WHERE a = $$abc", "SELECT * FROM t WHERE a = %s"),
        ("SELECT * FROM", "SELECT * FROM"),
    ],
)
def test_statements_cut_off(cut: str, expected: str) -> None:
    assert describe_sql(cut).normalized == expected


def test_what_backslashes_mean_is_the_dialects_affair() -> None:
    assert describe_sql(r"SELECT 'a\', b FROM t", "postgresql").normalized == "SELECT %s, b FROM t"
    assert describe_sql(r"SELECT 'a\', b FROM t'", "mysql").normalized == "SELECT %s"
    assert describe_sql(r"SELECT E'a\', b FROM t'", "postgresql").normalized == "SELECT %s"
    assert describe_sql("SELECT a # b\nFROM t", "mysql").normalized == "SELECT a FROM t"
    assert describe_sql("SELECT a #> b FROM t", "postgresql").normalized == "SELECT a #> b FROM t"


@pytest.mark.parametrize("text", ["", "  ", "connect", "User.find", "/* */", "((((((SELECT 1", "'SELECT'"])
def test_what_is_no_statement(text: str) -> None:
    assert describe_sql(text) == NOTHING


def test_lists_of_any_length_are_one_group() -> None:
    texts = {
        describe_sql(f"SELECT * FROM t WHERE id IN ({', '.join(['%s'] * n)}) AND x = {n}").normalized
        for n in range(1, 50)
    }
    assert texts == {"SELECT * FROM t WHERE id IN (%s) AND x = %s"}


def test_depth_and_length_are_bounded() -> None:
    deep = describe_sql("SELECT " + "(" * 9000 + "1").normalized
    assert deep.count("(") >= MAX_DEPTH
    assert len(describe_sql("SELECT a+" + "b+" * MAX_SQL).normalized) <= MAX_SQL


@pytest.mark.parametrize(
    "unit", ["'", '"', "`", "$a$", "(", "[", "((1,", "a.", "/*", "%(a", "_a", "- ", "::a.", "[a ", "\\", "1e"]
)
def test_hostile_text_takes_no_longer_than_its_length(unit: str) -> None:
    text = "SELECT " + unit * 10_000
    began = time.perf_counter()
    for system in ("", "mysql", "postgresql"):
        describe_sql(text, system)
    assert time.perf_counter() - began < 1


PIECES = st.sampled_from(
    [*sorted(KEYWORDS | VERBS), *"()[],;=*+-.'\"`$:?@%\\", " ", "a", "t.x", "'x'", "1", "%s", "$a$", "..", "/*", "--"]
)


@given(
    st.one_of(st.text(), st.lists(PIECES, max_size=40).map("".join), st.lists(PIECES, max_size=40).map(" ".join)),
    st.sampled_from(["", "mysql", "sqlite"]),
)
def test_no_text_breaks_it(text: str, system: str) -> None:
    found = describe_sql(f"SELECT {text}", system)
    assert found.action
    describe_sql(text, system)


names = st.sampled_from(["users", "orders", "line_items", "u", "Total"])
columns = st.builds("{}.{}".format, names, names) | names
literals = st.sampled_from(["1", "-2.5", "'it''s'", "%s", "$1", "?", "NULL", ":name", "0xFF", "'2024-01-01'::date"])
secrets = st.text(st.characters(exclude_characters="'\\", exclude_categories=("Cs",)), min_size=1, max_size=12)


@st.composite
def statements(draw: st.DrawFn) -> str:
    """A SELECT of some columns with aliases, joins and conditions."""
    chosen = draw(st.lists(st.tuples(columns, st.sampled_from(["", " AS x", " y"])), min_size=1, max_size=4))
    text = "SELECT " + ", ".join(column + alias for column, alias in chosen)
    text += f" FROM {draw(names)}{draw(st.sampled_from(['', ' AS t', ' t']))}"
    if draw(st.booleans()):
        text += f" JOIN {draw(names)} j ON j.id = {draw(columns)}"
    operators = st.sampled_from(["=", "<>", ">=", "LIKE", "-"])
    conditions = draw(st.lists(st.tuples(columns, operators, literals), min_size=1, max_size=3))
    text += " WHERE " + " AND ".join(" ".join(condition) for condition in conditions)
    return text + f" AND id IN ({', '.join(draw(st.lists(literals, min_size=1, max_size=4)))})"


@given(statements())
def test_of_any_statement_the_normalized_one_is_its_own(text: str) -> None:
    once = describe_sql(text).normalized
    assert describe_sql(once).normalized == once
    assert once.endswith("IN (%s)")


@given(secrets, st.sampled_from(["postgresql", "sqlite", ""]))
def test_no_literal_survives(secret: str, system: str) -> None:
    found = describe_sql(f"SELECT * FROM t WHERE a = '{secret}' AND b = 1", system)
    assert found.normalized == "SELECT * FROM t WHERE a = %s AND b = %s"
