"""What a person reads in each catalogue: how many things, their titles, licences, dates, periods and areas.

Counted in the files, and with another parser of RDF.
"""

from datetime import date
from typing import NamedTuple


class Seen(NamedTuple):
    """What is counted in a catalogue, the titles in the order of the page (in English, if there is English), and more.

    `licences` are published addresses or names, by their beginnings; `days` the first and the last among the dates of
    datasets and services; `box` is the area of all together, rounded to west, south, east, north; `places` its names.
    """

    datasets: int = 0
    distributions: int = 0
    services: int = 0
    series: int = 0
    titles: tuple[str | None, ...] = ()
    licences: tuple[str, ...] = ()
    days: tuple[date, date] | None = None
    frequencies: tuple[str, ...] = ()
    periods: tuple[str, ...] = ()
    box: tuple[float, float, float, float] | None = None
    places: tuple[str, ...] = ()


def days(first: str, last: str | None = None) -> tuple[date, date]:
    """The days from `first` to `last`; one day if there is no last."""
    return date.fromisoformat(first), date.fromisoformat(last or first)


# fmt: off
SEEN = {
    "be-cat.nt": Seen(),
    "be-drupal.rdf": Seen(3, 3, titles=("Samuel L. Jackson the eighth ssdsdf", "John Gavin Malkovich", "Sean Bean"),
        licences=("http://overheid.vlaanderen.be/hergebruik/licenties/v1-0/html",),
        days=days("1948-12-21", "2017-10-06"), frequencies=("triennial",)),
    "be-inspire.rdf": Seen(2, 2,
        titles=("Nombre de réclamations contre le précompte immobilier suite à la notification du revenu cadastral",
        "Nombre de réclamations contre le précompte immobilier suite à la notification du revenu cadastral"
        " +++++++++"),
        days=days("2019-06-30", "2022-02-08"), frequencies=("annual",), periods=("2014/2020", "2015/2022"),
        box=(2.54, 49.49, 6.41, 51.51)),
    "be-smartflanders.ttl": Seen(4, 4, titles=("Parking Availability in Ghent", "Parking Availability in Kortrijk",
        "Parking Availability in Leuven", "Parking Availability in Sint-Niklaas")),
    "be-statbel.ttl": Seen(10, 25, titles=("Enterprises subject to VAT according to employer class",
        "Cadastral statistics of the building stock", "Enterprises subject to VAT according to employer class",
        "Population by Statistical sector", "Number of deaths per day", "Number of births per day",
        "Fiscal statistics on income by Statistical sector", "Census 2011 - Matrix of commutes by sex",
        "Census 2011 - Population by sex according to the km² grid", "Statistical sectors 2022"),
        licences=("The licence is fully available on https://statbel.fgov.be/si",), periods=("1992-01-01/2021-12-31",
        "2005-01-01/2019-12-31", "2011-01-01/2011-12-31", "2016-01-01/2016-12-31", "2021-01-01/2021-12-31",
        "2022-01-01/2022-12-31"), box=(2.54, 49.49, 6.41, 51.51), places=("Belgium",)),
    "bnodes.jsonld": Seen(3, 5, titles=("Dataset 1", "Dataset 2", "Dataset 3"), days=days("2016-12-14"),
        periods=("2016-01-01T00:00:00/2016-12-05T00:00:00", "2016-12-05T00:00:00/"), places=("http://wuEurope.com",)),
    "catalog.xml": Seen(4, 9, titles=("Dataset 3", "Dataset 1", "Dataset 2", "Dataset 4"),
        licences=("Licence Ouverte Version 1.0", "Licence Ouverte Version 2.0"),
        days=days("2016-12-12", "2016-12-14"), frequencies=("daily",),
        periods=("2016-01-01T00:00:00/2016-12-05T00:00:00",), places=("http://wuEurope.com/",)),
    "ckan-package-search-uk.json": Seen(10, 54, titles=("Purchase Card Transactions",
        "February 2018 Purchase Card Transactions", "April 2021 Purchase Card Transactions",
        "March 2021 Purchase Card Transactions", "February 2021 Purchase Card Transactions",
        "January 2021 Purchase Card Transactions", "December 2020 Purchase Card Transactions",
        "October 2020 Purchase Card Transactions", "August 2020 Purchase Card Transactions",
        "July 2020 Purchase Card Transactions"), licences=("uk-ogl",), days=days("2014-12-01", "2021-05-24")),
    "ckan-package.json": Seen(1, 1, titles=("Zimbabwe Regional Geochemical Survey.",),
        days=days("2011-06-13", "2012-05-10"), frequencies=("notPlanned",), periods=("1982/1986",),
        box=(25.0, -22.0, 33.0, -15.0)),
    "context-project-open-data.jsonld": Seen(),
    "csw-dcat-1.xml": Seen(2, 6,
        titles=("INSEE - Part des ménages présents depuis 5 ans ou plus dans leur logement actuel (2010)",
        "Zonage du bassin urbain à dynamiser (BUD) de la Région Hauts-de-France - (2018-2020)"),
        days=days("2020-05-28", "2020-09-22"), frequencies=("punctual",), box=(1.33, 48.79, 4.31, 51.09)),
    "csw-dcat-3.xml": Seen(2, 4, titles=("Communes en état de catastrophe naturelle au 30 novembre 2023",
        "Etablissements d'enseignement"), licences=("Licence Ouverte version 2.0 https://www.etalab.gouv.fr/wp-co",),
        days=days("2023-11-14", "2024-02-12"), frequencies=("continuous",), box=(1.27, 48.84, 4.26, 51.27)),
    "csw-dcat-5.xml": Seen(2, 7, titles=("Territoires d'exercice de la compétence \"Collecte des déchets ménagers\"",
        "Plages sans plastique en Hauts-de-France en 2022"),
        licences=("http://inspire.ec.europa.eu/metadatacodelist/LimitationsOnPu",),
        days=days("2022-10-17", "2023-01-01"), frequencies=("annual", "punctual"), box=(1.36, 48.83, 4.26, 51.09)),
    "csw-iso-1.xml": Seen(2, 22, titles=("Plan local d'urbanisme de la commune de Cartigny",
        "Plan local d'urbanisme de la commune de Flesselles"), days=days("2000-02-04", "2017-10-07"),
        box=(1.31, 49.39, 3.28, 50.48)),
    "csw-iso-geoide.xml": Seen(1, 13, titles=("Plan local d'urbanisme de la commune de Combles",),
        days=days("2003-06-02", "2017-10-07"), box=(1.31, 49.39, 3.28, 50.48)),
    "de-govdata-catalog.rdf": Seen(6, 17, titles=("Titel",
        "Aktuelle Ausschreibungen nach VOL, VOB, VOF oder für Interessenbekundungsverfahren",
        "Europawahl 2009 - Ebene: SPD, Gewinne und Verluste gegenüber Europawahl 2004 in %-Punkten (VG)",
        "Testdatensatz Lizenz Offenheit", "Naturräume Geest und Marsch", "Testdatensatz DCATde Migration"),
        licences=("http://dcat-ap.de/def/licenses/cc-by", "http://dcat-ap.de/def/licenses/cc-by-nd",
        "http://dcat-ap.de/def/licenses/dl-by-de/2.0", "http://dcat-ap.de/def/licenses/dl-zero-de/2.0",
        "http://dcat-ap.de/def/licenses/mozilla"), days=days("2014-04-29", "2017-12-21"), frequencies=("annual",),
        periods=("2000-01-01T00:00:00/2018-01-01T00:00:00", "2013-07-22T00:00:00/2013-11-23T00:00:00",
        "2016-01-01T00:00:00/2016-12-31T00:00:00"), box=(5.57, 47.14, 15.57, 55.06),
        places=("http://dcat-ap.de/def/politicalGeocoding/regionalKey/020000000000",)),
    "dkan-data.json": Seen(2, 2, titles=("Florida Bike Lanes", "London Deprivation Index"),
        days=days("2016-04-21", "2019-12-31"), frequencies=("annual",), box=(-1.12, 51.08, 1.12, 51.86)),
    "dkan-french-w-license.json": Seen(1, 2,
        titles=("Antennes régionales de la Région Hauts-de-France (au 01/10/2019)",),
        licences=("http://www.etalab.gouv.fr/pages/Licence_ouverte_Open_licence",),
        days=days("2019-09-30", "2019-12-10"), frequencies=("irregular",), box=(1.19, 48.81, 4.66, 51.16)),
    "es-nsip-catalog.rdf": Seen(6, 8, services=1, titles=("Example Aggregated Economic Data",
        "Example Detailed Statistical Data", "Example Sector Aggregated Data", "Datos no NSIP", "Datos no NSIP2",
        "Encuesta de la Población", "Example API for Protected Data"),
        licences=("http://publications.europa.eu/resource/authority/licence/CC_",),
        days=days("2021-01-01", "2025-12-18"), frequencies=("annual", "monthly", "quarterly", "quinquennial"),
        periods=("2015-01-01/2024-12-31", "2018-01-01/2024-12-31", "2020-01-01/2024-12-31"),
        places=("http://datos.gob.es/recurso/sector-publico/territorio/Pais/España",)),
    "eu-example1.nt": Seen(1, 1, titles=("visitors to the Open Swimming Pool",),
        licences=("https://creativecommons.org/publicdomain/zero/1.0/",)),
    "evian.json": Seen(8, 34, titles=("stationnement velos", "poubelles", "defibrillateurs", "places de marche",
        "places PMR", "Publication actes dématérialisés", "Carte piéton concertation", "Carte vélo finale"),
        licences=("<DIV STYLE=\"text-align:Left;\"><DIV><DIV><P><SPAN>Soumis à la",),
        days=days("2022-07-25", "2024-02-09"), box=(6.57, 46.38, 6.61, 46.4)),
    "flat.jsonld": Seen(3, 5, titles=("Dataset 1", "Dataset 2", "Dataset 3"), days=days("2016-12-14"),
        periods=("2016-01-01T00:00:00/2016-12-05T00:00:00", "2016-12-05T00:00:00/"), places=("http://wuEurope.com",)),
    "fr-ods-draft.ttl": Seen(1, 0, titles=("Station Météo Netatmo d'OpenDataSoft",), licences=("Netatmo",),
        days=days("2014-11-05")),
    "ie-deri.ttl": Seen(1, 1, titles=("Abandoned Vehicles",), frequencies=("annual",), places=("Greater London",)),
    "iso-bad.xml": Seen(),
    "iso-multilingual-expected.ttl": Seen(services=1, titles=("ATOM Download Service for the Data50",),
        licences=("https://geoportal.cuzk.gov.cz/Dokumenty/Podminky.pdf",), days=days("2023-03-27"),
        box=(12.09, 48.55, 18.86, 51.06), places=("http://publications.europa.eu/resource/authority/country/CZE",)),
    "iso-multilingual.xml": Seen(services=1, titles=("ATOM Download Service for the Data50",),
        licences=("https://geoportal.cuzk.gov.cz/Dokumenty/Podminky.pdf",), days=days("2023-03-27"),
        box=(12.09, 48.55, 18.86, 51.06), places=("ČR",)),
    "it-civitavecchia.rdf": Seen(10, 10, titles=("Bilancio preventivo e consuntivo",
        "Provvedimenti organi indirizzo politico", "Provvedimenti dirigenti amministrativi",
        "Bandi di gara e contratti", "Atti di concessione",
        "Pagamenti di Sovvenzioni contributi sussidi vantaggi economici", "Tassi di assenza",
        "Articolazione degli uffici", "Contatti ente", "Tipologie di procedimento"),
        licences=("https://creativecommons.org/licenses/by/4.0/",
        "https://creativecommons.org/publicdomain/zero/1.0/"), days=days("2020-01-14", "2025-01-08"),
        frequencies=("irregular",)),
    "it-dcatapit.rdf": Seen(2, 2, titles=("Evoluzione della linea di costa dal 1944 al 2003",
        "Studi Medici generici e pediatri sc. 1:5000"), licences=("http://creativecommons.org/licenses/by/3.0/it/",),
        days=days("2003-01-01", "2008-06-01"), frequencies=("annual", "irregular"), box=(7.49, 43.6, 10.09, 44.85),
        places=("http://dati.gov.it/resource/CoperturaSpaziale/LocalizzazioneLineaCosta_r_liguri:D.658",
        "http://dati.gov.it/resource/CoperturaSpaziale/LocationStudiMedici_r_liguri:D.659")),
    "it-molinella.rdf": Seen(3, 6, titles=("Impianti sportivi", "Scuole", "Associazioni"),
        licences=("https://creativecommons.org/licenses/by/4.0/",), days=days("2024-10-01", "2024-10-02"),
        frequencies=("annual",)),
    "jsonld-graph.jsonld": Seen(1, 1, titles=("Title dataset",),
        licences=("http://www.opendefinition.org/licenses/cc-zero",)),
    "nested.jsonld": Seen(1, 1, titles=("Dataset 1",), days=days("2016-12-14"),
        periods=("2016-01-01T00:00:00/2016-12-05T00:00:00",), places=("http://wuEurope.com",)),
    "no-bnode-dataset.ttl": Seen(1, 0, titles=(None,), periods=("2019-04-02T00:00:00/2022-06-06T00:00:00",)),
    "no-catalog.ttl": Seen(15, 1, titles=("Dataset 0", None, "Dataset 2", None, "Dataset 4", None, "Dataset 6", None,
        "Dataset 8", None, "Dataset 10", None, "Dataset 12", None, "Dataset 14"),
        licences=("https://data.norge.no/nlod/no",), periods=("2019-04-02T00:00:00/",)),
    "no-series.ttl": Seen(series=1, titles=("Budget data",)),
    "paged-collection-1.jsonld": Seen(3, 3, titles=("Dataset 1", "Dataset 2", "Dataset 3"), days=days("2016-12-14"),
        periods=("2016-12-05T00:00:00/",)),
    "paged-collection-2.jsonld": Seen(1, 1, titles=("Dataset 1",), days=days("2016-12-14")),
    "se-dcat-ap-se.ttl": Seen(1, 2, services=1, titles=("Libraries in Sweden", "API exempel"),
        licences=("http://creativecommons.org/publicdomain/zero/1.0/",), days=days("2020-01-01"),
        periods=("2010-01-01/2012-01-01",), places=("Sweden",)),
    "udata.xml": Seen(2, 6, services=1, titles=("Bureaux de vote - Vanves",
        "Ville de Vanves - Part des véhicules à faibles émissions dans le renouvellement du parc",
        "Explore API v2 https://vanves-seineouest.opendatasoft.com"), days=days("2019-04-19", "2024-07-12")),
    "us-bad-license.json": Seen(1, 1, titles=("Veterans Honor Map Locations",),
        licences=("<p align='center' style='margin-top: 0px; margin-bottom: 1.5",),
        days=days("2016-11-07", "2016-11-15"), box=(-83.73, 42.28, -82.92, 42.79)),
    "us-dcat3-series.json": Seen(2, 0, series=1, titles=("Annual Report 2023", "Annual Report 2024",
        "Annual Report Series")),
    "us-numeric-title.json": Seen(1, 1, titles=("707",),
        licences=("https://creativecommons.org/publicdomain/zero/1.0/",), days=days("2014-10-03")),
    "us-ny-socrata.json": Seen(1, 4,
        titles=("State of New York Mortgage Agency (SONYMA) Loans Purchased: Beginning 2004",),
        days=days("2016-07-21", "2019-06-10")),
    "us-pod.jsonld": Seen(1, 4, titles=("U.S. Widget Manufacturing Statistics",),
        licences=("http://creativecommons.org/publicdomain/zero/1.0/",), days=days("2011-11-19", "2011-11-22"),
        frequencies=("annual",), periods=("2009-09-01T12:00:00Z/2010-05-31T12:00:00Z",), places=("United States",)),
    "us-usda.json": Seen(3, 6, titles=("Department of Agriculture Congressional Logs for Fiscal Year 2014",
        "Percent change in annual precipitation (CONUS) (Image Service)",
        "Percent change in snow residence time (CONUS) (Image Service)"),
        licences=("https://creativecommons.org/publicdomain/zero/1.0/",
        "https://hub.arcgis.com/api/v2/datasets/429428633a5e486289f61",
        "https://hub.arcgis.com/api/v2/datasets/f1879e9f6798461f8fd54"), days=days("2014-10-03", "2019-03-22"),
        box=(-134.91, 21.08, -56.9, 52.37)),
}
# fmt: on
