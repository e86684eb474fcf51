"""The site's HTML."""

from __future__ import annotations

from decimal import Decimal
from html import escape
from urllib.parse import urlencode

from tests.simulators.fienta.state import CURRENCY, PERCENT, Discount, Session, Site

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:0;background:#f4f5f7;color:#222}
header{background:#0a2540;color:#fff;padding:12px 32px;font-weight:600}
main{max-width:900px;margin:24px auto;background:#fff;padding:24px 32px;border-radius:6px}
table{width:100%;border-collapse:collapse}
td,th{text-align:left;padding:6px 8px;border-bottom:1px solid #e3e6ea}
.form-group{margin:12px 0}label{display:block;font-weight:600}input{font:inherit;padding:5px 8px;width:260px}
.btn{font:inherit;padding:6px 14px;border:1px solid #c3c9d2;border-radius:4px;background:#fff;cursor:pointer}
.btn-primary{background:#2256d6;color:#fff}.btn-delete{color:#b00020}.active{background:#dbe5ff}
.invalid-feedback,.alert-danger{color:#b00020}.alert-success{color:#0a6b2d}
.pagination{display:flex;gap:8px;list-style:none;padding:0}"""
_SCRIPT = """
document.querySelectorAll('.btn-unit').forEach(button => button.addEventListener('click', () => {
  document.querySelector('input[name=type]').value = button.value;
  document.querySelectorAll('.btn-unit').forEach(b => b.classList.toggle('active', b === button));
}));"""
FORM_FIELDS = ("code", "amount", "type", "usage_limit", "ticket_limit", "title")


def page(title: str, body: str, csrf: str = "") -> str:
    """The frame of all pages."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)} - Fienta</title>'
        f'<meta name="csrf-token" content="{csrf}"><style>{_STYLE}</style></head><body>'
        f"<header>Fienta (simulated)</header><main>{body}</main><script>{_SCRIPT}</script></body></html>"
    )


def login(session: Session, site: Site) -> str:
    names = ("user", "pass") if site.faults.is_redesigned else ("email", "password")
    error = _errors(session, "email")
    body = (
        f'<h1>Log in</h1><form method="post" action="/auth/login">{_token(session)}'
        f"{_group('E-mail', names[0], session.old.get('email', ''), error, 'type=email')}"
        f"{_group('Password', names[1], '', '', 'type=password')}"
        '<button type="submit" class="btn btn-primary">Log in</button></form>'
    )
    return page("Log in", body, session.csrf)


def listing(session: Session, site: Site, search: str, number: int) -> str:
    found = site.search(search)
    rows = found[(number - 1) * site.per_page : number * site.per_page]
    url = f"/my/events/{site.event}/discounts"
    notice = f'<div class="alert alert-success">{escape(session.notice)}</div>' if session.notice else ""
    session.notice = ""
    body = (
        f'<h1>Discount codes</h1>{notice}<form method="get" action="{url}">'
        f'<input type="search" name="search" placeholder="Search" value="{escape(search)}">'
        f' <a class="btn btn-primary" href="{url}/create">New discount code</a></form>'
        f"{_table(site, rows, url)}{_pagination(site, url, search, number, len(found))}"
    )
    return page("Discount codes", body, session.csrf)


def _table(site: Site, rows: list[Discount], url: str) -> str:
    if not rows and not site.faults.is_list_blank:
        return '<p class="no-results">No discount codes found.</p>'
    name = "grid" if site.faults.is_redesigned else "table discounts"
    lines = "" if site.faults.is_list_blank else "".join(_row(row, url) for row in rows)
    heads = "".join(
        f"<th>{h}</th>" for h in ("Code", "Description", "Discount", "Orders", "Tickets", "Created")
    )
    return f'<table class="{name}"><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>'


def _row(row: Discount, url: str) -> str:
    return (
        f'<tr data-id="{row.id}"><td class="code"><a href="{url}/{row.id}/edit">{escape(row.code)}</a></td>'
        f'<td class="title">{escape(row.title)}</td><td class="amount">{_shown(row)}</td>'
        f'<td class="orders">{_use(row.orders, row.usage_limit)}</td>'
        f'<td class="tickets">{_use(row.tickets, row.ticket_limit)}</td>'
        f'<td class="created">{row.created_at:%d.%m.%Y %H:%M}</td></tr>'
    )


def _shown(row: Discount) -> str:
    if row.unit == PERCENT:
        return f"{_plain(row.amount).replace('.', ',')}%"
    return f"{row.amount:.2f} €".replace(".", ",")


def _plain(amount: Decimal) -> str:
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _use(used: int, limit: int | None) -> str:
    return f"{used} / {limit if limit is not None else '∞'}"


def _pagination(site: Site, url: str, search: str, number: int, total: int) -> str:
    last = max(1, -(-total // site.per_page))
    if last == 1:
        return ""
    links = [("prev", "«", number - 1)] if number > 1 else []
    links += [("next", "»", number + 1)] if number < last else []
    items = "".join(
        f'<li><a rel="{rel}" href="{url}?{query}">{text}</a></li>'
        for rel, text, target in links
        for query in [escape(urlencode({"search": search, "page": target}))]
    )
    return f'<ul class="pagination">{items}<li>{number} / {last}</li></ul>'


def form(session: Session, site: Site, discount: Discount | None) -> str:
    """The form for a new code or an existing one; after a refusal with what was typed and why not."""
    values = session.old or (_values(discount) if discount else {"type": PERCENT})
    url = f"/my/events/{site.event}/discounts"
    action = f"{url}/{discount.id}" if discount else url
    method = '<input type="hidden" name="_method" value="PUT">' if discount else ""
    code = "promo" if site.faults.is_redesigned else "code"
    groups = "".join(
        _group(label, name, values.get(key, ""), _errors(session, key), attributes)
        for label, name, key, attributes in (
            ("Code", code, "code", 'type="text" required maxlength="64"'),
            ("Amount", "amount", "amount", 'type="number" required min="0" step="0.01"'),
            ("Limit of orders", "usage_limit", "usage_limit", 'type="number" min="1"'),
            ("Limit of tickets", "ticket_limit", "ticket_limit", 'type="number" min="1"'),
            ("Description", "title", "title", 'type="text"'),
        )
    )
    body = (
        f"<h1>{'Edit' if discount else 'New'} discount code</h1>"
        f'<form class="discount" method="post" action="{action}">'
        f"{_token(session)}{method}{groups}{_units(values['type'])}"
        f'<button type="submit" class="btn btn-primary">{"Update" if discount else "Create"}</button></form>'
        f"{_delete_form(session, action) if discount else ''}"
    )
    return page("Discount code", body, session.csrf)


def _values(discount: Discount) -> dict[str, str]:
    return {
        "code": discount.code,
        "amount": _plain(discount.amount),
        "type": discount.unit,
        "usage_limit": str(discount.usage_limit or ""),
        "ticket_limit": str(discount.ticket_limit or ""),
        "title": discount.title,
    }


def _units(unit: str) -> str:
    buttons = "".join(
        f'<button type="button" class="btn btn-unit{" active" if unit == value else ""}" id="type-{value}"'
        f' value="{value}">{sign}</button>'
        for value, sign in ((CURRENCY, "€"), (PERCENT, "%"))
    )
    return f'<div class="form-group">{buttons}<input type="hidden" name="type" value="{unit}"></div>'


def _delete_form(session: Session, action: str) -> str:
    return (
        f'<form method="post" action="{action}">{_token(session)}'
        '<input type="hidden" name="_method" value="DELETE">'
        '<button type="submit" class="btn btn-delete"'
        " onclick=\"return confirm('Delete this discount code?')\">Delete</button></form>"
    )


def _token(session: Session) -> str:
    return f'<input type="hidden" name="_token" value="{session.csrf}">'


def _errors(session: Session, name: str) -> str:
    message = session.errors.get(name)
    return f'<div class="invalid-feedback">{escape(message)}</div>' if message else ""


def _group(label: str, name: str, value: str, error: str, attributes: str) -> str:
    return (
        f'<div class="form-group"><label for="{name}">{label}</label>'
        f'<input {attributes} id="{name}" name="{name}" value="{escape(value)}">{error}</div>'
    )
