"""Invented people and firms; every domain is reserved for examples (RFC 2606)."""

_FIRST_NAMES = """
Amélie Anaïs Aurélien Benoît Björn Camille Céline Chloé Clément Dörte Élodie Émile Étienne Fabien
François Frédéric Gaëlle Geneviève Grażyna Günther Hélène Håkon Inès Jérôme Jörg Jürgen Käthe Léa
Loïc Łukasz Maël Märta Mélanie Noémie Océane Raphaël René Solène Sören Théo Thérèse Uğur Ursula
Valérie Wolfgang Yannick Zoë Alice Arthur Emma Grace Harry Nina Oscar Paul Rosa Simon Tom Victor
Wendy
"""
FIRST_NAMES = tuple(_FIRST_NAMES.split())

_LAST_NAMES = """
Ångström Bäcker Beauséjour Bélanger Brüggemann Chênevert Côté Crèvecœur Desprès Dubœuf Fäßler Façon
Fontaine Gärtner Gößling Grünwald Hübner Jäger Kästner Köhler Lacroix Lefèvre Lœwenstein Maître
Möller Müßig Nägele Noël Orléans Pâquerette Prévost Rüdiger Sauvé Schröter Séguin Strauß Süßkind
Tréville Vögele Weiß Whitfield Winterbourne Wójcik Żuraw Appleby Baker Carver Dawson Ellis Fletcher
Hargreave Marlowe Norwood Sheldrake
"""
LAST_NAMES = tuple(_LAST_NAMES.split())

COMPANIES = (
    "",
    "",
    "",
    "Les Jardins d'Été",
    "Müller; Söhne GmbH",
    "Dupré, Fils & Cie",
    'Bar "Le Soleil"',
    "Gartenbau Größl KG",
    "Appleby & Daughters Ltd",
    "Crème; Chocolat; Café",
    "O'Hara's Nursery",
)

REMARKS = (
    "",
    "",
    "",
    "",
    "Client depuis 2019; préfère le courrier",
    'Dit "à bientôt"',
    "Rappeler en mars,\r\nsinon en avril",
    "Stammkunde, bitte duzen",
    "Allergic to lilies",
    "=SUM(A1:A9)",
)

#: Domain as written in the file, and as it must be stored.
DOMAINS = (
    ("example.com", "example.com"),
    ("example.org", "example.org"),
    ("example.net", "example.net"),
    ("mail.example.com", "mail.example.com"),
    ("courriel.example", "courriel.example"),
    ("post.test", "post.test"),
    ("gärten.example", "xn--grten-gra.example"),
)

#: Place, as tagged in the file by different hands, and its tag.
PLACES = (
    (("Lyon", "lyon", "LYON"), "lyon"),
    (("Bruxelles", "bruxelles "), "bruxelles"),
    (("Genève", "GENÈVE", "geneve"), "geneve"),
    (("Freiburg", "freiburg"), "freiburg"),
    (("London", " london"), "london"),
)
COUNTRY_OF = {"lyon": "FR", "bruxelles": "BE", "geneve": "CH", "freiburg": "DE", "london": "GB"}
COUNTRY_SPELLINGS = {
    "FR": ("France", "FR", "fr", "Frankreich"),
    "BE": ("Belgique", "BE", "België"),
    "CH": ("Suisse", "CH", "Schweiz"),
    "DE": ("Deutschland", "DE", "Allemagne"),
    "GB": ("United Kingdom", "GB", "gb"),
}
LANGUAGE_SPELLINGS = {
    "fr": ("fr", "FR", "fr-FR", "Français", "français"),
    "de": ("de", "Deutsch", "de_DE"),
    "en": ("en", "EN-GB", "English", "anglais"),
}
PHONES = {
    "FR": "+33 1 99 00 {:02d} {:02d}",
    "BE": "+32 2 555 {:02d} {:02d}",
    "CH": "+41 22 555 {:02d} {:02d}",
    "DE": "(0)30 23125 {:02d}{:01d}",
    "GB": "020 7946 {:02d}{:02d}",
}
