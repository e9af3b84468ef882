"""How often data are renewed: the words of many vocabularies, as the models' terms."""

import re

from udata.harvest.values.addresses import last_segment
from udata.harvest.values.remembering import remembered

# By the last segment of an address or a whole word, in lower case, without blanks, hyphens and underscores.
_TERMS: dict[str, str] = {}


def _means(term: str, *words: str) -> None:
    _TERMS.update(dict.fromkeys((term.lower(), *words), term))


# http://publications.europa.eu/resource/authority/frequency, http://purl.org/cld/freq/, the codes of ISO 19115
# (MD_MaintenanceFrequencyCode), the repetitions of ISO 8601, and words that publishers write.
_means("continuous", "cont", "updatecont", "realtime", "entempsréel", "tempsréel", "tempsreel", "rppt1s", "r/pt1s")
_means("oneMinute", "1min", "r/pt1m")
_means("fiveMinutes", "5min", "r/pt5m")
_means("tenMinutes", "10min", "r/pt10m")
_means("fifteenMinutes", "15min", "r/pt15m")
_means("thirtyMinutes", "30min", "r/pt30m")
_means("hourly", "r/pt1h", "horaire", "stündlich", "oraria")
_means("bihourly", "r/pt2h")
_means("trihourly", "r/pt3h")
_means("twelveHours", "12hrs", "r/pt12h")
_means("severalTimesADay", "continual", "continualupdate", "plusieursfoisparjour", "fourtimesaday", "daily4")
_means("threeTimesADay", "daily3", "r/pt8h")
_means("semidaily", "daily2", "twiceaday", "r/p0.5d")
_means(
    "daily",
    "r/p1d",
    "quotidien",
    "quotidienne",
    "journalier",
    "journalière",
    "täglich",
    "diario",
    "diaria",
    "dagelijks",
)
_means("fiveTimesAWeek", "weekly5")
_means("threeTimesAWeek", "weekly3", "r/p0.33w")
_means("semiweekly", "weekly2", "r/p3.5d", "r/p0.5w")
_means("weekly", "r/p1w", "r/p7d", "hebdomadaire", "wöchentlich", "semanal", "settimanale", "wekelijks")
_means("biweekly", "fortnightly", "fortnighly", "r/p2w", "r/p14d")
_means("threeTimesAMonth", "monthly3", "r/p0.33m")
_means("semimonthly", "monthly2", "r/p0.5m", "bimensuel", "bimensuelle")
_means("monthly", "r/p1m", "mensuel", "mensuelle", "monatlich", "mensual", "mensile", "maandelijks")
_means("bimonthly", "r/p2m", "bimestriel", "bimestrielle")
_means("quarterly", "r/p3m", "trimestriel", "trimestrielle", "vierteljährlich", "trimestral", "trimestrale")
_means("threeTimesAYear", "annual3", "r/p4m", "r/p0.33y")
_means("semiannual", "annual2", "biannual", "biannually", "r/p6m", "semestriel", "semestrielle", "halbjährlich")
_means(
    "annual", "annually", "yearly", "r/p1y", "annuel", "annuelle", "jährlich", "jaarlijks", "anual", "annuale", "årlig"
)
_means("biennial", "r/p2y", "biennially", "bisannuel", "bisannuelle", "biennal", "biennale")
_means("triennial", "r/p3y", "triennal", "triennale")
_means("quadrennial", "r/p4y")
_means("quinquennial", "r/p5y", "quinquennal", "quinquennale")
_means("decennial", "r/p10y", "décennal", "décennale")
_means("bidecennial", "r/p20y")
_means("tridecennial", "r/p30y")
_means("irregular", "irreg", "asneeded", "irrégulier", "irrégulière", "auxbesoins", "unregelmäßig", "irregolare", "r/p")
_means("punctual", "ponctuel", "ponctuelle", "once", "onceonly")
_means("never", "jamais")
_means("notPlanned", "notplanned", "nonplanifié", "nonplanifiée")
_means("other", "autre", "fourtimesaweek")
_means("unknown", "unkn", "inconnu", "inconnue")


@remembered
def frequency(published: str) -> str | None:
    """The term for a frequency published as an address, a code or a word in several languages; None if unknown."""
    text = published.strip()
    word = text if text.upper().startswith("R/") else last_segment(text)
    return _TERMS.get(re.sub(r"[\s_\-]", "", word).lower())
