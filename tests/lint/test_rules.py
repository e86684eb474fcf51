from pathlib import PurePosixPath

import pytest

from tools.lints.rules import check_source, lock_file

SERVICE = PurePosixPath("services/auth-service/src/auth_service/users/service.py")
REPOSITORY = SERVICE.with_name("repository.py")
DATABASE = PurePosixPath("shared/src/shared/database/pool.py")


def rules(path: PurePosixPath, text: str) -> list[str]:
    return [violation.rule for violation in check_source(path, text)]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("import asyncpg\n", "driver-import"),
        ("from asyncpg.exceptions import UniqueViolationError\n", "driver-import"),
        ("q = 'SELECT id FROM users'\n", "sql-outside-repository"),
        ("q = '''\n  select_me = 1'''\nr = f'UPDATE {table} SET a = 1'\n", "sql-outside-repository"),
        ("q = 'INSERT INTO t VALUES ($1)'\n", "sql-outside-repository"),
        ("q = 'DELETE FROM t'\n", "sql-outside-repository"),
        ("q = 'WITH x AS (SELECT 1) SELECT * FROM x'\n", "sql-outside-repository"),
        ("q = \"SET LOCAL app.tenant_id = '1'\"\n", "tenant-setting"),
        ("q = \"set_config('app.tenant_id', $1, false)\"\n", "tenant-setting"),
        ("async def f(tx):\n    await tx.execute('SET ROLE other')\n", "session-setting"),
        ("async def f(rt):\n    await rt.db.get_pool().acquire()\n", "pool-access"),
        ("async def f(self):\n    async with self._pool.acquire() as c: pass\n", "pool-access"),
        ("x = 1\n" * 401, "file-length"),
        ("def f():\n" + "    x = 1\n" * 60, "function-length"),
    ],
)
def test_breach_in_a_service_is_found(text: str, rule: str) -> None:
    assert rules(SERVICE, text) == [rule]


@pytest.mark.parametrize(
    "text",
    [
        "'''SELECT id FROM users is what the repository runs.'''\n",
        "label = 'Select a campaign'\nhelp_text = 'Update your profile'\n",
        "async def f(lock):\n    await lock.acquire()\n",
        "async def f(tx):\n    await tx.execute(statement)\n",
        "import asyncio\n",
        "async def f(tx):\n    await tx.execute('SET LOCAL synchronous_commit = off')\n",
        "x = 1\n" * 400,
    ],
)
def test_ordinary_code_passes(text: str) -> None:
    assert rules(SERVICE, text) == []


def test_repository_may_use_the_driver_and_sql_but_not_the_pool() -> None:
    assert rules(REPOSITORY, "import asyncpg\nq = 'SELECT id FROM users'\n") == []
    assert rules(REPOSITORY, "async def f(pool):\n    await pool.acquire()\n") == ["pool-access"]
    assert rules(REPOSITORY, "q = \"SELECT set_config('app.tenant_id', $1, true)\"\n") == ["tenant-setting"]


def test_database_layer_is_free_of_the_database_rules() -> None:
    text = "import asyncpg\nasync def f(pool):\n    await pool.acquire()\n    await c.execute('SET ROLE x')\n"
    assert rules(DATABASE, text) == []


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://packages.example.com/simple",
        "-i x",
        "a @ https://example.com/a.whl",
        "--find-links=/w",
    ],
)
def test_lock_file_with_a_package_source_is_refused(line: str) -> None:
    found = list(lock_file(PurePosixPath("requirements.txt"), f"a==1 \\\n    --hash=sha256:00\n{line}\n"))
    assert [(violation.rule, violation.line) for violation in found] == [("index-url", 3)]


def test_plain_lock_file_passes() -> None:
    text = "a==1 \\\n    --hash=sha256:00\n    # via -r requirements.in\n"
    assert list(lock_file(PurePosixPath("requirements.txt"), text)) == []
