"""Whom to ask: contact points, publishers and everybody else who has a part in data."""

import re

from udata.harvest.dcat.thing import Thing
from udata.harvest.rdf.graph import Term, is_literal, node
from udata.harvest.rdf.terms import (
    ADMS,
    DC,
    DCAT,
    DCATDE,
    DCT,
    FOAF,
    GEODCAT,
    LOCN,
    ORG,
    PROV,
    RDFS,
    SCHEMA,
    SKOS,
    VCARD,
)
from udata.harvest.records import Address, Contact, Text
from udata.harvest.values.addresses import web_address
from udata.harvest.values.languages import language
from udata.harvest.values.roles import role

_ROLES = {
    "contact": (DCAT.contactPoint, ADMS.contactPoint),
    "publisher": (DCT.publisher, DC.publisher, *SCHEMA.both("publisher")),
    "creator": (DCT.creator, DC.creator, FOAF.maker, *SCHEMA.both("creator")),
    "rightsHolder": (DCT.rightsHolder,),
    "custodian": (GEODCAT.custodian, DCATDE.maintainer),
    "distributor": (GEODCAT.distributor,),
    "originator": (GEODCAT.originator, DCATDE.originator),
    "principalInvestigator": (GEODCAT.principalInvestigator,),
    "processor": (GEODCAT.processor,),
    "resourceProvider": (GEODCAT.resourceProvider,),
    "user": (GEODCAT.user,),
}
_ROLE_OF = {predicate: kind for kind, predicates in _ROLES.items() for predicate in predicates}
# vCard's ontology and its older form name the same things differently; `hasFN` is a slip.
_NAMES = (VCARD.fn, FOAF.name, *SCHEMA.both("name"), VCARD["hasFN"], VCARD["full-name"])
_OTHER_NAMES = (SKOS.prefLabel, RDFS.label, DCT.title, DC.title)
_ORGANIZATION = (VCARD["organization-name"], VCARD.hasOrganizationName, VCARD["hasOrganizationUnit"])
_EMAIL = (VCARD.hasEmail, VCARD.email, FOAF.mbox, *SCHEMA.both("email"), VCARD.mbox)
_URL = (VCARD.hasURL, VCARD.hasUrl, VCARD.url, FOAF.workplaceHomepage, FOAF.homepage, FOAF.page, *SCHEMA.both("url"))
_PHONE = (VCARD.hasTelephone, VCARD.tel, FOAF.phone, *SCHEMA.both("telephone"))


def contacts(thing: Thing) -> tuple[Contact, ...]:
    """The contacts of a dataset or a service, the same one once, sorted. Empty ones are left out."""
    found = []
    for predicate, terms in thing.properties.items():
        if kind := _ROLE_OF.get(predicate):
            found += [contact(thing, term, kind) for term in terms]
    for attribution in thing.things(PROV.qualifiedAttribution):
        code = attribution.word(DCAT.hadRole, PROV.hadRole) or ""
        if named := role(code):
            found += [contact(thing, term, named) for term in attribution.terms(PROV.agent)]
        elif code:
            thing.remark("contacts", code, "no role that a contact can have")
    # Reversed, so that the first of several equal ones is kept.
    once = {_key(one): one for one in reversed(found) if not one.is_empty}
    return tuple(sorted(once.values(), key=Contact.place))


def _key(one: Contact) -> tuple[object, ...]:
    return one.role, one.names or one.organization, one.emails, one.url


def contact(thing: Thing, term: Term, kind: str) -> Contact:
    """The contact that `term` stands for: a text, or a thing described as vCard, FOAF, schema.org or by a label."""
    if is_literal(term):
        value = term.value.strip()
        if "@" in value and " " not in value:
            return Contact(role=kind, emails=(_bare(value),))
        tag = language(term.language) if term.language else None
        return Contact(role=kind, names=(Text(value, tag),) if value else ())
    agent = thing.other(node(term) or "")
    names, organization = agent.texts(*_NAMES), agent.texts(*_ORGANIZATION)
    # A person's organization may be described in a node of its own.
    for member in agent.things(ORG.memberOf, VCARD.hasOrganizationName, ORG.subOrganizationOf):
        organization = organization or member.labels()
    # Sorted: the order of a graph is no order, and a change of it would count as a change.
    emails = sorted({_bare(value) for value in _values(agent, *_EMAIL)} - {""})
    urls = [found for value in _values(agent, *_URL) if (found := web_address(value))]
    phones = [value.removeprefix("tel:") for value in _values(agent, *_PHONE)]
    return Contact(
        role=kind,
        # Labels last: they may be of the node and not of the person.
        names=names or organization or agent.texts(*_OTHER_NAMES),
        organization=organization,
        emails=tuple(emails),
        url=urls[0] if urls else None,
        phone=phones[0] if phones else None,
        address=_address(agent),
        uri=agent.uri,
    )


def _bare(email: str) -> str:
    # Behind the question mark stand subject and body of a mail.
    bare = re.sub(r"^mailto:\s*", "", email.strip(), flags=re.IGNORECASE).partition("?")[0].strip()
    # Without `mailto:` it was taken for a relative address.
    return bare.rpartition("/")[2] if bare.startswith("http") and "@" in bare else bare


def _values(agent: Thing, *predicates: str) -> list[str]:
    """The values of properties that may stand there themselves or in a node of their own (`vcard:hasValue`)."""
    found = []
    for term in agent.terms(*predicates):
        if is_literal(term):
            found.append(term.value.strip())
        elif (name := node(term)) and not name.startswith("_:"):
            found.append(name)
        elif name:
            # A blank node: the value stands one step further, and no more, since nodes may refer to each other.
            found += agent.other(name).words(VCARD.hasValue, VCARD.value)
    return [value for value in found if value]


def _address(agent: Thing) -> Address | None:
    for place in agent.things(VCARD.hasAddress, VCARD.adr, LOCN.address):
        found = Address(
            street=place.texts(VCARD["street-address"], LOCN.thoroughfare, LOCN.fullAddress),
            locality=place.texts(VCARD.locality, LOCN.postName),
            postal_code=place.word(VCARD["postal-code"], LOCN.postCode),
            country=place.texts(VCARD["country-name"], LOCN.adminUnitL1),
        )
        if found != Address():
            return found
    return None
