"""Everything this service knows of Fienta's pages. When a page changes, this is the file to change.

Paths are below the base address; selectors are CSS.
"""

from __future__ import annotations

from urllib.parse import quote, urlencode

LOGIN_PATH = "/auth/login"
#: Whoever is sent below this is not logged in, or is asked for more than a password.
AUTH_PATHS = "/auth/"

LOGIN_EMAIL = "form input[name=email]"
LOGIN_PASSWORD = "form input[name=password]"  # noqa: S105  # a selector
LOGIN_SUBMIT = "form:has(input[name=password]) button[type=submit]"

LIST_TABLE = "table.discounts"
LIST_EMPTY = ".no-results"
LIST_NEXT = ".pagination a[rel=next]"

FORM_CODE = "input#code[name=code]"
FORM_AMOUNT = "input#amount[name=amount]"
FORM_CURRENCY = "button#type-1"
FORM_PERCENT = "button#type-2"
FORM_ORDER_LIMIT = "input#usage_limit[name=usage_limit]"
FORM_TICKET_LIMIT = "input#ticket_limit[name=ticket_limit]"
FORM_TITLE = "#title[name=title]"
FORM_SUBMIT = "form:has(input#code) button[type=submit]"
FORM_INVALID = "form:has(input#code) input:invalid"
READ_PROBLEM = "field => `${field.labels?.[0]?.textContent ?? field.name}: ${field.validationMessage}`"
DELETE = ".btn-delete"
#: What the pages say when they refuse something.
REFUSALS = ".invalid-feedback, .alert-danger"
#: ... when the name of a code is in use, in any case.
TAKEN = ("already", "taken", "exists", "in use")

#: Reads the table in one go: each row's texts by name, null for a cell that is not there.
READ_ROWS = """table => Array.from(table.querySelectorAll('tbody tr')).map(row => {
  const text = name => row.querySelector('td.' + name)?.textContent.trim() ?? null;
  return {
    edit: row.querySelector('td.code a')?.getAttribute('href') ?? null,
    code: text('code'), title: text('title'), amount: text('amount'),
    orders: text('orders'), tickets: text('tickets'), created: text('created'),
  };
})"""

#: Where pages hold what belongs to one session: blanked in pages that are kept.
TOKENS = (
    r'(<input[^>]*name="_token"[^>]*value=")[^"]*(")',
    r'(<input[^>]*value=")[^"]*("[^>]*name="_token")',
    r'(<meta[^>]*name="csrf-token"[^>]*content=")[^"]*(")',
    r'(<input[^>]*type="password"[^>]*value=")[^"]*(")',
)


def list_path(event: str, search: str = "") -> str:
    query = f"?{urlencode({'search': search})}" if search else ""
    return f"/my/events/{quote(event, safe='')}/discounts{query}"


def create_path(event: str) -> str:
    return f"{list_path(event)}/create"


def edit_path(event: str, discount_id: str) -> str:
    return f"{list_path(event)}/{quote(discount_id, safe='')}/edit"
