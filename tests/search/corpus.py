"""Two small portals to search in: what a French one and an English one publish, by themes and places.

Every theme is published by many places, so that a question about one place has many near misses.
"""

from typing import Any, NamedTuple

DEPARTEMENTS = (
    "Ain", "Allier", "Ardèche", "Aube", "Aude", "Cantal", "Charente", "Corrèze", "Creuse", "Doubs", "Drôme", "Eure",
    "Finistère", "Gers", "Gironde", "Hérault", "Isère", "Jura", "Landes", "Lozère", "Manche", "Mayenne", "Nièvre",
    "Oise", "Orne", "Rhône", "Sarthe", "Savoie", "Vendée", "Vosges",
)  # fmt: skip
COUNTIES = (
    "Antrim", "Bedford", "Cheshire", "Cornwall", "Cumbria", "Derby", "Devon", "Dorset", "Durham", "Essex", "Fife",
    "Gloucester", "Hampshire", "Hereford", "Kent", "Lancaster", "Leicester", "Lincoln", "Norfolk", "Northumbria",
    "Oxford", "Rutland", "Shropshire", "Somerset", "Suffolk", "Surrey", "Sussex", "Warwick", "Wiltshire", "York",
)  # fmt: skip

# Title, description; {} is the place.
THEMES = {
    "fr": (
        ("Résultats des élections municipales – {}", "Suffrages exprimés par bureau de vote, premier et second tour."),
        ("Résultats des élections départementales – {}", "Voix obtenues par chaque binôme de candidats."),
        ("Liste des écoles primaires – {}", "Adresse, effectifs et nombre de classes de chaque établissement."),
        ("Arrêts de bus et horaires théoriques – {}", "Réseau de transport en commun au format GTFS."),
        ("Qualité de l’eau potable – {}", "Analyses de l’eau du robinet, prélèvements mensuels des communes."),
        ("Pistes cyclables et stationnement des vélos – {}", "Aménagements relevés sur le terrain, en kilomètres."),
        ("Budget primitif et compte administratif – {}", "Dépenses et recettes par nature et par fonction."),
        ("Défibrillateurs accessibles au public – {}", "Emplacement et jours d’accès des appareils."),
        ("Menus des cantines scolaires – {}", "Repas servis à midi aux élèves, allergènes compris."),
        ("Arbres remarquables – {}", "Essences, hauteurs et âges estimés des arbres protégés."),
        ("Subventions versées aux associations – {}", "Montant et objet de chaque aide, par bénéficiaire."),
        ("Prix des carburants dans les stations-service – {}", "Tarifs du gazole et de l’essence, chaque jour."),
        ("Déchèteries et points d’apport volontaire – {}", "Horaires d’ouverture et matières acceptées."),
        ("Accidents corporels de la circulation – {}", "Lieux, véhicules et usagers, victimes par gravité."),
        ("Effectifs des médecins généralistes – {}", "Praticiens libéraux et salariés par commune."),
        ("Cadastre des parcelles agricoles – {}", "Contours des îlots culturaux déclarés pour la PAC."),
        ("Marchés publics attribués – {}", "Données essentielles de la commande publique."),
    ),
    "en": (
        ("Results of the local elections – {}", "Votes cast in each polling station, turnout included."),
        ("List of primary schools – {}", "Address, pupils and number of classes of each school."),
        ("Bus stops and timetables – {}", "The network of public transport as GTFS."),
        ("Drinking water quality – {}", "Monthly samples of tap water, by parish."),
        ("Cycle paths and bicycle parking – {}", "Surveyed on site, lengths in kilometres."),
        ("Annual budget and accounts – {}", "Spending and income by purpose."),
        ("Public defibrillators – {}", "Where the devices are, and when they can be reached."),
        ("School meals and menus – {}", "What pupils are served at noon, with allergens."),
        ("Veteran trees – {}", "Species, heights and estimated ages of protected trees."),
        ("Grants paid to charities – {}", "Amount and purpose of each grant, by recipient."),
        ("Fuel prices at filling stations – {}", "What diesel and petrol cost, day by day."),
        ("Recycling centres and bottle banks – {}", "Opening hours and accepted materials."),
        ("Road traffic collisions – {}", "Places, vehicles and casualties by severity."),
        ("General practitioners – {}", "Family doctors by practice and ward."),
        ("Farmland parcels – {}", "Outlines of the fields declared for subsidies."),
        ("Contracts awarded by the council – {}", "Suppliers, values and dates of public procurement."),
        ("Air pollution measurements – {}", "Hourly values of ozone, nitrogen dioxide and fine particles."),
    ),
}

# What one publisher alone has: title, description, organization, acronym.
SINGLES = {
    "fr": (
        ("Base Adresse Nationale", "Toutes les adresses du pays, avec leurs coordonnées.",
         "Institut géographique", "BAN"),
        ("Répertoire des entreprises et de leurs établissements", "Identifiants, activités, effectifs.",
         "Institut de la statistique", "SIRENE"),
        ("Demandes de valeurs foncières", "Prix des ventes de maisons et d’appartements sur cinq ans.",
         "Direction des finances publiques", "DVF"),
        ("Contours des communes", "Limites administratives, généralisées à cent mètres.",
         "Institut géographique", None),
        ("Population légale recensée", "Habitants de chaque commune au dernier recensement.",
         "Institut de la statistique", None),
        ("Jours fériés et vacances scolaires", "Calendrier des trois zones.", "Ministère de l’Éducation", None),
        ("Prénoms donnés aux nouveau-nés", "Fréquence de chaque prénom depuis 1900.",
         "Institut de la statistique", None),
        ("Monuments historiques classés ou inscrits", "Immeubles protégés, avec leur date de protection.",
         "Ministère de la Culture", None),
        ("Hôpitaux et cliniques", "Établissements de santé, lits et places par discipline.", "Ministère de la Santé",
         "FINESS"),
        ("Consommation d’électricité par région", "Puissance appelée toutes les demi-heures.", "Réseau de transport",
         None),
        ("Journaux officiels numérisés", "Textes intégraux depuis 1947.", "Imprimerie nationale", "JO"),
        ("Festival d’été : concerts en plein air", "Programme des scènes, de juin à septembre.",
         "Ministère de la Culture", None),
    ),
    "en": (
        ("National Address Gazetteer", "Every address of the country, with its coordinates.", "Mapping Agency", "NAG"),
        ("Register of companies", "Names, activities and directors of every firm.", "Companies Office", None),
        ("House prices paid", "What houses and flats were sold for in five years.", "Land Registry", "PPD"),
        ("Ward boundaries", "Administrative limits, generalised to a hundred metres.", "Mapping Agency", None),
        ("Census population by age", "Inhabitants of each ward at the last census.", "Statistics Office", None),
        ("Bank holidays and school terms", "The calendar of all regions.", "Department for Education", None),
        ("Baby names", "How often each first name was given since 1904.", "Statistics Office", None),
        ("Listed buildings", "Protected heritage with the date of listing.", "Heritage Office", "NHLE"),
        ("Hospitals and clinics", "Beds and specialities of each health facility.", "Department of Health", None),
        ("Electricity demand by region", "Load on the grid, every half hour.", "Grid Operator", None),
        ("The people’s archive of photographs", "Scanned prints from families’ albums.", "Heritage Office", None),
        ("Flood warning areas", "Where rivers and the sea may flood.", "Environment Agency", "FWA"),
    ),
}  # fmt: skip

PLACES = {"fr": DEPARTEMENTS, "en": COUNTIES}
PUBLISHERS = {"fr": "Conseil départemental de {}", "en": "{} County Council"}


class Published(NamedTuple):
    """A dataset's search document, and its id."""

    id: str
    document: dict[str, Any]


def datasets(language: str) -> list[Published]:
    """The search documents of the datasets of a portal in `language`: 522 of them."""
    rows: list[tuple[str, str, str, str | None]] = [
        (title.format(place), description, PUBLISHERS[language].format(place), None)
        for title, description in THEMES[language]
        for place in PLACES[language]
    ]
    rows += SINGLES[language]
    return [_published(number, *row) for number, row in enumerate(rows)]


def dataset(number: int, title: str, description: str = "", organization: str = "", acronym: str | None = None) -> Any:
    """A whole search document of a dataset, as a portal stores it."""
    return _published(number, title, description, organization, acronym).document


def _published(number: int, title: str, description: str, organization: str, acronym: str | None) -> Published:
    identity = f"{number:024x}"
    day = f"2024-{number % 12 + 1:02d}-{number % 28 + 1:02d}T10:00:00"
    owner = f"{abs(hash_of(organization)):024x}"
    return Published(identity, {
        "id": identity, "title": title, "description": description, "acronym": acronym, "url": None,
        "created_at": day, "last_update": day, "views": 0.6931471805599453, "followers": 0.6931471805599453,
        "reuses": 0.6931471805599453, "orga_followers": 1.0986122886681098, "orga_sp": 1, "featured": 1,
        "resources_count": number % 5, "resources_ids": [], "resources_titles": [], "concat_title_org":
        f"{title} {organization}", "organization": owner, "organization_name": organization,
        "organization_with_id": f"{owner}|{organization}", "organization_badges": [], "owner": None,
        "tags": ["open", f"tag-{number % 7}"], "license": "lov2", "frequency": "annual", "format": ["csv"],
        "format_family": ["tabular"], "badges": [], "granularity": None, "geozones": [], "schema": [], "topics": [],
        "access_type": "open", "producer_type": ["local-authority"], "temporal_coverage_start": "2023-01-01",
        "temporal_coverage_end": "2023-12-31",
    })  # fmt: skip


def hash_of(text: str) -> int:
    """A number for `text` that is the same in every process."""
    return sum(ord(letter) * 31**place for place, letter in enumerate(text[:16]))
