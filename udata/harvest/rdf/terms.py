"""The vocabularies that catalogues are written in. A name is looked up as an attribute: `DCT.title`."""


class Vocabulary:
    """The names of a vocabulary: an attribute is the address of a term; a blank at the end of a keyword is cut off."""

    def __init__(self, *bases: str) -> None:
        self._bases = bases

    def __getattr__(self, name: str) -> str:
        if name.startswith("__"):
            raise AttributeError(name)
        term = self[name]
        setattr(self, name, term)  # asked for a million times in a large catalogue
        return term

    def __getitem__(self, name: str) -> str:
        return self._bases[0] + name.rstrip("_")

    def both(self, name: str) -> tuple[str, ...]:
        """The term under each address that the vocabulary goes by."""
        return tuple(base + name for base in self._bases)


ADMS = Vocabulary("http://www.w3.org/ns/adms#")
DC = Vocabulary("http://purl.org/dc/elements/1.1/")
DCAT = Vocabulary("http://www.w3.org/ns/dcat#")
DCATAP = Vocabulary("http://data.europa.eu/r5r/")
DCATDE = Vocabulary("http://dcat-ap.de/def/dcatde/")
DCT = Vocabulary("http://purl.org/dc/terms/")
FOAF = Vocabulary("http://xmlns.com/foaf/0.1/")
GEODCAT = Vocabulary("http://data.europa.eu/930/")
GEO = Vocabulary("http://www.opengis.net/ont/geosparql#")
HYDRA = Vocabulary("http://www.w3.org/ns/hydra/core#")
LDP = Vocabulary("http://www.w3.org/ns/ldp#")
LOCN = Vocabulary("http://www.w3.org/ns/locn#")
ORG = Vocabulary("http://www.w3.org/ns/org#")
OWL = Vocabulary("http://www.w3.org/2002/07/owl#")
POD = Vocabulary("https://project-open-data.cio.gov/v1.1/schema#")
PROV = Vocabulary("http://www.w3.org/ns/prov#")
RDF = Vocabulary("http://www.w3.org/1999/02/22-rdf-syntax-ns#")
RDFS = Vocabulary("http://www.w3.org/2000/01/rdf-schema#")
SCHEMA = Vocabulary("http://schema.org/", "https://schema.org/")
SKOS = Vocabulary("http://www.w3.org/2004/02/skos/core#")
SPDX = Vocabulary("http://spdx.org/rdf/terms#")
TIME = Vocabulary("http://www.w3.org/2006/time#")
VCARD = Vocabulary("http://www.w3.org/2006/vcard/ns#")
