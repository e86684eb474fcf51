"""The rules, each a function from a parsed file to its violations."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60

_SQL = re.compile(
    r"\s*(SELECT\b[\s\S]*\bFROM\b|SELECT\s+\w+\(|INSERT\s+INTO\b|UPDATE\s+[\w.{]+[\s\S]*\bSET\b|DELETE\s+FROM\b"
    r"|WITH\s+(RECURSIVE\s+)?\w+(\s*\([\w\s,]*\))?\s+AS\s+(NOT\s+)?(MATERIALIZED\s*)?\()"
)
_TENANT_SETTING = re.compile(r"\bSET\s+(LOCAL\s+|SESSION\s+)?app\.|set_config\(\s*'app\.", re.IGNORECASE)
_SET = re.compile(r"\s*(SET\s+(?!LOCAL\b)|RESET\s)", re.IGNORECASE)
_POOL = re.compile(r"pool|database|\bdb\b|connection", re.IGNORECASE)
_INDEX = re.compile(r"^\s*(-i\b|--(extra-)?index-url|--find-links|-f\b|--trusted-host)|https?://")


@dataclass(frozen=True)
class Violation:
    path: PurePosixPath
    line: int
    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.message}"


@dataclass(frozen=True)
class Module:
    """One Python file, named by its path from the repository's root."""

    path: PurePosixPath
    text: str
    tree: ast.Module

    @classmethod
    def parse(cls, path: PurePosixPath, text: str) -> Module:
        return cls(path, text, ast.parse(text))

    def violation(self, node: ast.AST, rule: str, message: str) -> Violation:
        return Violation(self.path, getattr(node, "lineno", 1), rule, message)

    @property
    def is_database_layer(self) -> bool:
        return self.path.as_posix().startswith("shared/src/shared/database/")

    @property
    def is_product(self) -> bool:
        """Code that ships: not tests, benchmarks or tools."""
        return "src" in self.path.parts and "tests" not in self.path.parts

    @property
    def may_hold_sql(self) -> bool:
        # shared.testing makes and drops whole databases, which no repository does.
        testing = self.path.as_posix().startswith("shared/src/shared/testing/")
        return self.is_database_layer or testing or self.path.name == "repository.py"


def driver_imports(module: Module) -> Iterator[Violation]:
    """asyncpg only in shared.database and repository.py."""
    if not module.is_product or module.may_hold_sql:
        return
    for node in ast.walk(module.tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and not node.level:
            names.append(node.module or "")
        if any(name.split(".")[0] == "asyncpg" for name in names):
            yield module.violation(node, "driver-import", "import asyncpg in repository.py only")


def sql_strings(module: Module) -> Iterator[Violation]:
    """Statements only in repository.py."""
    if not module.is_product or module.may_hold_sql:
        return
    for node, text in _strings(module.tree):
        if _SQL.match(text):
            yield module.violation(node, "sql-outside-repository", "move the statement to repository.py")


def tenant_settings(module: Module) -> Iterator[Violation]:
    """The tenant of a transaction is set by shared.database alone, and never on a session."""
    if not module.is_product or module.is_database_layer:
        return
    for node, text in _strings(module.tree):
        if _TENANT_SETTING.search(text):
            yield module.violation(node, "tenant-setting", "open the transaction with tenant_tx")


def session_settings(module: Module) -> Iterator[Violation]:
    """No `execute("SET …")`: pooled connections would carry the setting to the next user.

    `SET LOCAL` ends with the transaction and is fine (except for the tenant, see above).
    """
    if not module.is_product or module.is_database_layer:
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and _method(node) == "execute" and node.args:
            text = _text(node.args[0])
            if text is not None and _SET.match(text):
                yield module.violation(node, "session-setting", "settings belong to shared.database")


def pool_access(module: Module) -> Iterator[Violation]:
    """No connection is taken from the pool outside shared.database."""
    if not module.is_product or module.is_database_layer:
        return
    for node in ast.walk(module.tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "acquire"
        ) and _POOL.search(ast.unparse(node.func.value)):
            yield module.violation(node, "pool-access", "use tenant_tx or system_tx")


def sizes(module: Module) -> Iterator[Violation]:
    """Files and functions that a reader can hold in mind."""
    lines = module.text.count("\n")
    if lines > MAX_FILE_LINES:
        yield module.violation(module.tree, "file-length", f"{lines} lines, at most {MAX_FILE_LINES}")
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > MAX_FUNCTION_LINES:
                yield module.violation(node, "function-length", f"{node.name} has {length} lines")


def lock_file(path: PurePosixPath, text: str) -> Iterator[Violation]:
    """Pinned requirements name versions and hashes, never a place to fetch them from."""
    for number, line in enumerate(text.splitlines(), 1):
        if _INDEX.search(line):
            yield Violation(path, number, "index-url", "a lock file names no package index")


RULES = (driver_imports, sql_strings, tenant_settings, session_settings, pool_access, sizes)


def check_source(path: PurePosixPath, text: str) -> list[Violation]:
    """Every violation in one Python file."""
    module = Module.parse(path, text)
    return [violation for rule in RULES for violation in rule(module)]


def _strings(tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    """String constants and f-strings, without docstrings."""
    skipped = _docstrings(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            skipped.update(id(value) for value in node.values)
    for node in ast.walk(tree):
        text = _text(node)
        if text is not None and id(node) not in skipped:
            yield node, text


def _text(node: ast.AST) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(value) or "{}" for value in node.values)
    return None


def _docstrings(tree: ast.Module) -> set[int]:
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    bodies = (node.body for node in ast.walk(tree) if isinstance(node, kinds) and node.body)
    return {id(body[0].value) for body in bodies if isinstance(body[0], ast.Expr)}


def _method(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else ""
