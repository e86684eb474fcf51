from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from shared.database import SimpleDatabase
from shared.testing import TokenMint

ENGLISH = {
    "subject": "Hello {{ first_name }}",
    "html": "<p>Dear {{ contact.first_name }}</p>",
    "text": None,
    "format": "html",
    "mjml": None,
}
FRENCH = {
    "subject": "Bonjour {{ first_name }}",
    "html": "<p>Cher {{ first_name }}</p>",
    "text": "Cher !",
    "format": "html",
    "mjml": None,
}


class Templates:
    """The template endpoints as one caller uses them."""

    def __init__(self, client: httpx.AsyncClient, tenant: UUID, headers: dict[str, str]) -> None:
        self.client = client
        self.tenant = tenant
        self.headers = headers
        self.base = f"/api/v2/templates/{tenant}"

    async def post(self, **body: Any) -> httpx.Response:
        return await self.client.post("/api/v2/templates", json=body, headers=self.headers)

    async def create(self, name: str = "Spring", **body: Any) -> dict[str, Any]:
        answer = await self.post(name=name, **(body or {"contents": {"en": ENGLISH, "fr": FRENCH}}))
        assert answer.status_code == 201, answer.text
        data: dict[str, Any] = answer.json()["data"]
        return data

    async def get(self, path: str = "", **params: Any) -> httpx.Response:
        return await self.client.get(self.base + path, params=params, headers=self.headers)

    async def put(self, template_id: str, **body: Any) -> httpx.Response:
        return await self.client.put(f"{self.base}/{template_id}", json=body, headers=self.headers)

    async def preview(self, template_id: str, **body: Any) -> httpx.Response:
        path = f"{self.base}/{template_id}/preview"
        return await self.client.post(path, json=body or None, headers=self.headers)


@pytest.fixture
def templates(client: httpx.AsyncClient, tenant_a: UUID, headers: dict[str, str]) -> Templates:
    return Templates(client, tenant_a, headers)


async def test_a_template_holds_one_content_per_language(templates: Templates) -> None:
    made = await templates.create(category="news", contents={"fr-FR": FRENCH, "en": ENGLISH})
    assert (made["version"], made["languages"], made["default_language"]) == (1, ["en", "fr"], "en")
    assert made["contents"] == {"en": ENGLISH, "fr": FRENCH}
    assert (await templates.get(f"/{made['id']}")).json()["data"] == made
    listed = (await templates.get()).json()["data"]
    assert [(t["name"], t["languages"]) for t in listed] == [("Spring", ["en", "fr"])]


async def test_a_single_language_can_be_given_flat(templates: Templates) -> None:
    made = await templates.create(language="fr", subject="Salut", html="<p>Salut</p>")
    assert (made["default_language"], made["contents"]) == (
        "fr",
        {"fr": {"subject": "Salut", "html": "<p>Salut</p>", "text": None, "format": "html", "mjml": None}},
    )


async def test_versions_never_change(templates: Templates) -> None:
    made = await templates.create()
    german = {"subject": "Hallo", "html": "<p>Hallo</p>", "text": None}
    second = (await templates.put(made["id"], contents={"de": german})).json()["data"]
    assert (second["version"], second["languages"]) == (2, ["de", "en", "fr"])
    third = (await templates.put(made["id"], contents={"fr": None})).json()["data"]
    assert (third["version"], third["languages"]) == (3, ["de", "en"])
    renamed = (await templates.put(made["id"], name="Summer", contents={"de": german})).json()["data"]
    assert (renamed["version"], renamed["name"]) == (3, "Summer")
    first = (await templates.get(f"/{made['id']}", version=1)).json()["data"]
    assert (first["version"], first["contents"]) == (1, made["contents"])
    assert (await templates.get(f"/{made['id']}", version=4)).status_code == 404
    versions = (await templates.get(f"/{made['id']}/versions")).json()["data"]
    assert [(v["version"], v["languages"]) for v in versions] == [
        (3, ["de", "en"]),
        (2, ["de", "en", "fr"]),
        (1, ["en", "fr"]),
    ]


async def test_the_default_language_must_have_content(templates: Templates) -> None:
    wrong = await templates.post(name="x", default_language="de", contents={"en": ENGLISH})
    assert (wrong.status_code, wrong.json()["error"]["field"]) == (400, "default_language")
    made = await templates.create()
    assert (await templates.put(made["id"], contents={"en": None})).status_code == 400
    moved = await templates.put(made["id"], contents={"en": None}, default_language="fr")
    assert moved.json()["data"]["languages"] == ["fr"]


async def test_mistakes_in_the_liquid_name_field_and_line(templates: Templates) -> None:
    cases = [
        ("html", "<p>\n{% if %}\n</p>", 2),
        ("html", "<p>{{ first_name | nonsense }}</p>", 1),
        ("subject", "Hello {{ first_name", 1),
        ("text", "a\nb\n{% for x in y %}", 3),
    ]
    made = await templates.create()
    for field, source, line in cases:
        answer = await templates.post(name="x", contents={"en": ENGLISH, "fr": {**FRENCH, field: source}})
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (400, "TEMPLATE_SYNTAX_ERROR")
        assert (error["field"], error["details"]["line"]) == (f"contents.fr.{field}", line)
        changed = await templates.put(made["id"], contents={"en": {**ENGLISH, field: source}})
        assert changed.status_code == 400
    assert [t["version"] for t in (await templates.get()).json()["data"]] == [1]


async def test_wrong_shapes_are_refused(templates: Templates) -> None:
    bodies: list[dict[str, Any]] = [
        {"name": "x"},
        {"name": "x", "contents": {}},
        {"name": "x", "contents": {"en": ENGLISH}, "subject": "s", "html": "h"},
        {"name": "x", "subject": "s"},
        {"name": "x", "contents": {"??": ENGLISH}},
        {"name": "x", "subject": "a\nBcc: eve@example.com", "html": "h"},
        {"name": "x", "subject": "s", "html": "a\u0000b"},
        {"name": "", "subject": "s", "html": "h"},
    ]
    for body in bodies:
        assert (await templates.post(**body)).status_code == 422, body


async def test_previews_fall_back_over_languages(templates: Templates) -> None:
    made = await templates.create()
    client, headers = templates.client, templates.headers

    async def shown(language: str) -> tuple[str, str]:
        body = {"email": f"{language}@example.com", "first_name": "Zoé <b>", "language": language}
        contact = (await client.post("/api/v2/contacts", json=body, headers=headers)).json()["data"]
        data = (await templates.preview(made["id"], contact_id=contact["id"])).json()["data"]
        return data["language"], data["subject"]

    assert await shown("fr") == ("fr", "Bonjour Zoé <b>")
    assert await shown("de") == ("en", "Hello Zoé <b>")
    default = (await templates.preview(made["id"])).json()["data"]
    assert (default["language"], default["subject"]) == ("en", "Hello Anna")
    forced = (await templates.preview(made["id"], language="fr", sample={"first_name": "<i>"})).json()["data"]
    assert forced["subject"] == "Bonjour <i>"
    assert "&lt;i&gt;" in forced["html"]
    assert (await templates.preview(made["id"], language="it")).json()["error"]["field"] == "language"
    assert (await templates.preview(made["id"], contact_id=str(uuid4()))).status_code == 404
    assert (await templates.preview(made["id"], version=9)).status_code == 404


async def test_the_text_part_is_made_from_the_html(templates: Templates) -> None:
    html = '<h1>Offer</h1><p>Dear {{ first_name }}, <a href="https://example.com/x">look</a></p>'
    made = await templates.create(subject="s", html=html)
    preview = (await templates.preview(made["id"])).json()["data"]
    assert "Dear Anna" in preview["text"]
    assert "https://example.com/x" in preview["text"]
    assert "<a" not in preview["text"]
    assert any("unsubscribe" in warning for warning in preview["warnings"])


async def test_archived_templates_keep_their_content_and_free_their_name(templates: Templates) -> None:
    made = await templates.create()
    assert (await templates.post(name="Spring", contents={"en": ENGLISH})).status_code == 409
    path = f"{templates.base}/{made['id']}"
    archived = await templates.client.delete(path, headers=templates.headers)
    assert archived.json()["data"]["archived_at"] is not None
    assert (await templates.client.delete(path, headers=templates.headers)).json()["data"] == archived.json()[
        "data"
    ]
    assert (await templates.get()).json()["data"] == []
    assert len((await templates.get(archived=True)).json()["data"]) == 1
    assert (await templates.get(f"/{made['id']}")).json()["data"]["contents"] == made["contents"]
    again = await templates.put(made["id"], name="x")
    assert (again.status_code, again.json()["error"]["code"]) == (409, "TEMPLATE_ARCHIVED")
    other = await templates.create("Spring")
    third = await templates.create("Third")
    assert (await templates.put(third["id"], name="Spring")).json()["error"]["code"] == "TEMPLATE_NAME_TAKEN"
    assert other["id"] != made["id"]


async def test_a_template_stays_while_a_scheduled_campaign_needs_it(
    templates: Templates, db: SimpleDatabase, tenant_a: UUID
) -> None:
    made = await templates.create()
    async with db.tenant_tx(tenant_a) as tx:
        await tx.execute(
            """INSERT INTO campaign (tenant_id, id, name, template_id, status, scheduled_at)
               VALUES ($1, $2, 'Later', $3, 'scheduled', now() + interval '1 day')""",
            tenant_a,
            uuid4(),
            UUID(made["id"]),
        )
    answer = await templates.client.delete(f"{templates.base}/{made['id']}", headers=templates.headers)
    assert (answer.status_code, answer.json()["error"]["details"]) == (409, {"campaigns": ["Later"]})


async def test_lists_filter(templates: Templates) -> None:
    await templates.create("One", category="news", contents={"en": ENGLISH})
    await templates.create("Two", contents={"fr": FRENCH}, default_language="fr")
    for params, names in (
        ({"q": "tw"}, ["Two"]),
        ({"category": "news"}, ["One"]),
        ({"language": "fr"}, ["Two"]),
        ({}, ["Two", "One"]),
    ):
        listed = (await templates.get(**params)).json()["data"]
        assert [t["name"] for t in listed] == names


async def test_templates_are_a_tenants_own_and_need_a_role(
    templates: Templates, mint: TokenMint, tenant_a: UUID, tenant_b: UUID
) -> None:
    made = await templates.create()
    one = "/api/v2/templates/{t}/" + made["id"]
    requests: list[tuple[str, str, Any]] = [
        ("GET", "/api/v2/templates/{t}", None),
        ("GET", one, None),
        ("GET", f"{one}/versions", None),
        ("POST", f"{one}/preview", {}),
        ("PUT", one, {"name": "x"}),
        ("DELETE", one, None),
        ("POST", "/api/v2/templates", {"name": "x", "subject": "s", "html": "h", "tenant_id": str(tenant_a)}),
    ]
    stranger, viewer = mint.headers(tenant_b), mint.headers(tenant_a, "viewer")
    client = templates.client
    for number, (method, path, body) in enumerate(requests):
        ours = path.format(t=tenant_a)
        assert (await client.request(method, ours, json=body, headers=stranger)).status_code == 404
        answer = await client.request(method, ours, json=body, headers=viewer)
        assert answer.status_code == (200 if number < 4 else 403), path
        assert (await client.request(method, ours, json=body)).status_code == 401
    for method, path, body in requests[1:6]:
        answer = await client.request(method, path.format(t=tenant_b), json=body, headers=stranger)
        assert answer.status_code == 404, path
    assert (await templates.get(f"/{made['id']}")).json()["data"] == made


MJML = (
    "<mjml><mj-body><mj-section><mj-column><mj-text>Dear {{ first_name }}</mj-text></mj-column></mj-section>"
    "</mj-body></mjml>"
)


async def test_mjml_is_compiled_when_it_is_stored_and_kept(templates: Templates) -> None:
    made = await templates.create(subject="S", html=MJML, format="mjml")
    content = made["contents"]["en"]
    assert (content["format"], content["mjml"]) == ("mjml", MJML)
    assert "<mj-" not in content["html"]
    assert "Dear {{ first_name }}" in content["html"]
    shown = (await templates.preview(made["id"])).json()["data"]
    assert "Dear Anna" in shown["html"]
    assert "Dear Anna" in shown["text"]
    same = await templates.put(made["id"], contents=made["contents"])
    assert same.json()["data"]["version"] == 1
    changed = await templates.put(made["id"], contents={"fr": {"subject": "S", "mjml": MJML}})
    assert changed.json()["data"]["languages"] == ["en", "fr"]
    wrong = await templates.put(made["id"], contents={"fr": {"subject": "S", "mjml": "<mjml>\n<mj-bod/>"}})
    error = wrong.json()["error"]
    assert (wrong.status_code, error["field"], error["details"]["line"]) == (400, "contents.fr.mjml", 2)


async def test_language_and_category_choose_the_content(templates: Templates) -> None:
    def content(name: str) -> dict[str, Any]:
        return {"subject": name, "html": f"<p>{name}</p>"}

    keys = ["en", "en/photo-shops", "fr", "fr/photo-shops"]
    contents = {key: content(key) for key in keys[:3]} | {"FR/Photo Shops": content(keys[3])}
    made = await templates.create(contents=contents)
    assert made["languages"] == keys

    async def chosen(language: str, category: str | None) -> Any:
        person = {
            "email": f"{uuid4().hex}@example.com",
            "first_name": "Ida",
            "language": language,
            "category": category,
        }
        answer = await templates.client.post("/api/v2/contacts", json=person, headers=templates.headers)
        shown = await templates.preview(made["id"], contact_id=answer.json()["data"]["id"])
        return shown.json()["data"]["subject"]

    assert await chosen("fr", "Photo shops") == "fr/photo-shops"
    assert await chosen("fr", "Schools") == "fr"
    assert await chosen("de", "Photo shops") == "en/photo-shops"
    assert await chosen("de", None) == "en"
    bad = await templates.post(name="x", contents={"en": content("en"), "fr/!": content("y")})
    assert bad.status_code == 422


async def test_preview_shows_the_header_of_a_campaign(templates: Templates) -> None:
    made = await templates.create(contents={"en": ENGLISH})
    body = {"name": "Été", "template_id": made["id"], "from_name": "Zoé", "from_email": "zoe@example.com"}
    answer = await templates.client.post("/api/v2/campaigns", json=body, headers=templates.headers)
    campaign_id = answer.json()["data"]["id"]
    shown = await templates.preview(made["id"], campaign_id=campaign_id)
    headers = dict(shown.json()["data"]["headers"])
    assert (headers["From"], headers["Subject"]) == ("Zoé <zoe@example.com>", "Hello Anna")
    assert headers["To"] == "Anna Berg <anna@example.com>"
    assert headers["X-Campaign-Id"] == campaign_id
    assert (await templates.preview(made["id"], campaign_id=str(uuid4()))).status_code == 404


async def test_preview_shows_a_code_in_its_place(templates: Templates) -> None:
    made = await templates.create(subject="{{ code }}", html="<p>{{ code }}</p>")
    assert (await templates.preview(made["id"])).json()["data"]["subject"] == "SAMPLE-CODE"
    shown = (await templates.preview(made["id"], code="SPRING-1")).json()["data"]
    assert (shown["subject"], shown["text"].strip()) == ("SPRING-1", "SPRING-1")
