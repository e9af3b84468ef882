"""DCAT (https://www.w3.org/TR/vocab-dcat-3/) and its profiles, read into records.

Profiles of the European Union's member states, of GeoDCAT-AP and Project Open Data's data.json are read by the same
code: each field is looked for under all the names that catalogues were seen to use for it.
"""
