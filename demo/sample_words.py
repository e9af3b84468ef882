"""The names of the sample portal: a harbour town and its surroundings, all invented."""

# first name, last name, what the person does
USERS = (
    ("Mira", "Holt", "Runs the portal of Alderport."),
    ("Jonas", "Reed", "Data officer of the town."),
    ("Selma", "Quist", "Keeps the tide tables."),
    ("Tomas", "Vane", "Plans trams and ferries."),
    ("Ines", "Marlow", "Counts birds on the moor."),
    ("Pavel", "Stroud", "Statistician."),
    ("Noor", "Haddon", "Writes about the harbour for the Alderport Courier."),
    ("Greta", "Lund", "Makes maps."),
    ("Emil", "Farrow", "Studies the sea at the college."),
    ("Dora", "Wick", "Cycles, and counts other cyclists."),
    ("Leo", "Banner", "Builds small applications."),
    ("Anouk", "Sorrel", "Asks many questions."),
)

# name, acronym, badge, description
ORGANIZATIONS = (
    ("Town of Alderport", "TOA", "local-authority", "The administration of the harbour town."),
    ("Alderport Harbour Authority", "AHA", "public-service", "Looks after quays, locks and the lighthouse."),
    ("Office of Tides", "", "public-service", "Measures the sea since 1874."),
    ("Fenland Transport Union", "FTU", "company", "Trams, buses and two ferries."),
    ("Moorland Bird Watch", "", "association", "Volunteers who count birds."),
    ("Fenland Statistics", "FS", "public-service", "The figures of the region."),
    ("Old Canal Board", "", "", "Merged into the Harbour Authority."),
)

# title, organization by its place above (None: a person's own), tags, formats, frequency
DATASETS = (
    ("Tide gauge readings", 2, "tide,sea,measurement", "csv,json", "hourly"),
    ("Tide tables for ten years", 2, "tide,calendar", "csv,pdf", "annual"),
    ("Water temperature at the pier", 2, "sea,measurement", "csv", "daily"),
    ("Storm surge warnings", 2, "tide,warning", "json,xml", "continuous"),
    ("Ships in port", 1, "harbour,ships", "csv,json", "daily"),
    ("Berths and their depths", 1, "harbour,map", "geojson,shp", "irregular"),
    ("Lock opening times", 1, "harbour,calendar", "csv", "annual"),
    ("Goods by quay", 1, "harbour,trade", "xlsx", "quarterly"),
    ("Lighthouse log 1890-1950", 1, "history,sea", "pdf,txt", "punctual"),
    ("Tram timetable", 3, "transport,calendar", "zip", "monthly"),
    ("Tram stops", 3, "transport,map", "geojson,csv", "semiannual"),
    ("Ferry delays", 3, "transport,ferry", "csv", "weekly"),
    ("Tickets sold by zone", 3, "transport,finance", "xlsx", "monthly"),
    ("Bird counts on the moor", 4, "birds,nature", "csv", "annual"),
    ("Nesting sites", 4, "birds,nature,map", "geojson", "annual"),
    ("Ringed birds found again", 4, "birds,nature", "csv", "irregular"),
    ("Inhabitants by district", 5, "population,statistics", "csv,xlsx", "annual"),
    ("Names given to children", 5, "population,statistics", "csv", "annual"),
    ("Dwellings by year of building", 5, "housing,statistics", "csv", "annual"),
    ("Jobs by trade", 5, "work,statistics", "xlsx", "semiannual"),
    ("Trees in streets and parks", 0, "nature,map", "geojson,csv", "annual"),
    ("Budget of the town", 0, "finance", "csv,ods", "annual"),
    ("Minutes of the council", 0, "council", "pdf", "monthly"),
    ("Street lights", 0, "street,map", "geojson", "unknown"),
    ("Playgrounds", 0, "leisure,map", "geojson,kml", "irregular"),
    ("Markets and fairs", 0, "leisure,calendar", "csv,ics", "annual"),
    ("Roadworks", 0, "street,warning", "json", "daily"),
    ("Cyclists on Mill Bridge", None, "cycling,measurement", "csv", "weekly"),
    ("Old postcards of Alderport", None, "history,culture", "zip", "punctual"),
    ("Shipwrecks off the coast", None, "history,sea,map", "geojson", "notPlanned"),
    ("Canal tolls 1820-1901", 6, "history,trade", "csv", "punctual"),
    ("Canal depth soundings", 6, "harbour,map", "csv", "unknown"),
    ("Test of the import", 0, "test", "csv", "unknown"),
)

# title, kind, topic, the datasets by their places above
REUSES = (
    ("Will the causeway be dry?", "application", "transport_and_mobility", (0, 3)),
    ("The sea is getting warmer", "visualization", "environment_and_energy", (2, 0)),
    ("Which ship is that?", "application", "transport_and_mobility", (4, 5)),
    ("A hundred years of fog", "paper", "education_and_research", (8,)),
    ("Tram by tram", "visualization", "transport_and_mobility", (9, 10)),
    ("The ferry is late again", "news_article", "transport_and_mobility", (11,)),
    ("Curlews of the moor", "post", "environment_and_energy", (13, 14)),
    ("Everybody is called Alma", "news_article", "society_and_demography", (17,)),
    ("Where the town spends", "visualization", "politics_and_public_life", (21,)),
    ("Shade map", "application", "environment_and_energy", (20,)),
    ("Postcards then and now", "application", "culture_and_recreation", (28, 29)),
    ("Abandoned prototype", "idea", "others", (32,)),
)

# title, organization, the datasets
DATASERVICES = (
    ("Tide interface", 2, (0, 1)),
    ("Departures interface", 3, (9, 11)),
    ("Harbour map service", 1, (5,)),
    ("Canal interface", 6, (30,)),
)

# the subject's kind and place, a title, what was said in turn
DISCUSSIONS = (
    ("Dataset", 0, "Gap in March", ("The readings of 3 March are missing.", "The gauge was under ice.", "Thank you!")),
    ("Dataset", 9, "Format of the timetable", ("Is this the latest version of the format?", "It is.")),
    ("Dataset", 16, "Districts changed", ("The districts of 2019 are not those of 2020.",)),
    ("Dataset", 21, "Unit", ("Are the amounts in thousands?", "They are, and the page says so now.")),
    ("Dataset", 27, "Counter", ("How are two on a tandem counted?",)),
    ("Reuse", 4, "Very nice", ("May the school show this?", "With pleasure.")),
    ("Reuse", 8, "Source", ("Which year is shown?",)),
    ("Dataservice", 0, "Limit", ("How many requests a minute are allowed?", "Sixty.")),
)

# name, headline, published
POSTS = (
    ("The portal is open", "Thirty datasets to begin with.", True),
    ("A year of open tides", "What was made of the gauge readings.", True),
    ("What comes next", "A draft.", False),
)

TOPICS = (
    ("The sea", "Tides, temperatures and storms.", (0, 1, 2, 3)),
    ("Getting around", "Trams, ferries and bicycles.", (9, 10, 11, 27)),
)

LICENSES = (
    ("town-open", "Open Licence of the Town of Alderport"),
    ("sea-share", "Share-alike Licence of the Sea"),
    ("public-domain", "Public domain"),
)

ZONES = (("land", "Fenland", "fl"), ("town", "Alderport", "fl-01"), ("town", "Mossby", "fl-02"))

# task, crontab fields, enabled
SCHEDULES = (
    ("count-tags", "0 3 * * *", True),
    ("bump-metrics", "30 3 * * *", True),
    ("send-frequency-reminder", "0 8 * * 1", False),
    ("fetch-weather", "0 * * * *", True),
)
