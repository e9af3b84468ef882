"""The protocols in which catalogues are harvested; others come by the entry point `udata.harvesters`."""
